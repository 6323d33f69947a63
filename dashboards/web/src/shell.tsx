// The frame around every page: navigation, how live the page is, help.
import {useEffect, useLayoutEffect, useRef} from 'preact/hooks';
import {alerts} from './alert_list';
import {ask, base, type Alert} from './api';
import {duration} from './format';
import {helpOpen, shortcuts} from './keyboard';
import {freshness, lastAnswer, lastFailure, now, usePolled} from './live';
import {Icon} from './parts';
import {place} from './router';
import {theme, toggleTheme} from './theme';
import {AlertsPage} from './pages/alerts';
import {DeploymentsPage} from './pages/deployments';
import {FleetPage} from './pages/fleet';
import {QueryPage} from './pages/query';

const kPages = [
  {path: 'fleet', title: 'Fleet', view: FleetPage, also: ['', 'index.html']},
  {path: 'deployments', title: 'Deployments', view: DeploymentsPage, also: []},
  {path: 'query', title: 'Query', view: QueryPage, also: ['graph']},
  {path: 'alerts', title: 'Alerts', view: AlertsPage, also: []},
];

function LiveBadge() {
  const state = freshness();
  const age = duration((now.value - lastAnswer.value) / 1000);
  const text = state === 'starting' ? 'Connecting' : state === 'live' ? 'Live' : lastAnswer.value ? `Stale, ${age} old` : 'No answer';
  return (
    <span class={`live ${state}`} title={state === 'stale' ? lastFailure.value : 'Asked again every 5 s'}>
      <span class="dot" aria-hidden="true" />{text}
    </span>
  );
}

function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    if (helpOpen.value && !dialog.current!.open) dialog.current!.showModal();
    if (!helpOpen.value && dialog.current!.open) dialog.current!.close();
  }, [helpOpen.value]);
  const close = () => { helpOpen.value = false; };
  return (
    <dialog ref={dialog} aria-labelledby="help-title" onClose={close} onClick={event => { if (event.target === dialog.current) close(); }}>
      <h2 id="help-title">Keyboard</h2>
      <dl class="keys">
        {shortcuts.map(([keys, what]) => [<dt>{keys.split(' ').filter(Boolean).map(key => <kbd>{key}</kbd>)}</dt>, <dd>{what}</dd>])}
      </dl>
      <p class="muted"><a href="licenses.txt" target="_blank" rel="noopener">Licences of the packages in this page</a></p>
      <p><button type="button" autoFocus onClick={close}>Close</button></p>
    </dialog>
  );
}

export function Shell() {
  const polled = usePolled('alerts', stop => ask<{alerts: Alert[]}>('alerts', {}, {signal: stop}));
  useEffect(() => {
    if (polled.value.data) alerts.value = {list: polled.value.data.data.alerts ?? [], answeredAt: polled.value.answeredAt};
  }, [polled.value]);

  const path = place.value.page;
  const page = kPages.find(p => p.path === path || p.also.includes(path));
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  useEffect(() => {
    document.title = `${page?.title ?? 'Not found'} · Aerie`;
    // A change of page is announced by moving the focus, as a page load would; but not on the first page.
    if (!first.current) main.current?.focus();
    first.current = false;
    scrollTo(0, 0);
  }, [page]);

  const firing = alerts.value.list.filter(alert => alert.state === 'firing').length;
  return (
    <>
      <a class="skip" href="#main" onClick={event => { event.preventDefault(); main.current?.focus(); }}>Skip to the content</a>
      <header>
        <a class="brand" href={`${base}fleet`} aria-label="Aerie, fleet">
          <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M2 21 9 7l4 7 2-3 7 10z" fill="currentColor" /><circle cx="17" cy="5" r="3" class="sun" /></svg>
          Aerie
        </a>
        <nav aria-label="Pages">
          {kPages.map(p => (
            <a key={p.path} href={base + p.path} aria-current={p === page ? 'page' : undefined}>
              {p.title}
              {p.path === 'alerts' && firing > 0 && <span class="badge">{firing}<span class="sr"> firing</span></span>}
            </a>
          ))}
        </nav>
        <div class="tools">
          <LiveBadge />
          <button type="button" class="plain" onClick={toggleTheme} aria-label={theme.value === 'dark' ? 'Light colours' : 'Dark colours'} title="Light or dark (t)">
            <svg class="icon big" viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="5.5" /><path d="M8 2.5a5.5 5.5 0 0 1 0 11z" fill="currentColor" /></svg>
          </button>
          <button type="button" class="plain" onClick={() => { helpOpen.value = true; }} aria-label="Help" title="Keyboard help (?)"><Icon shape="ask" /></button>
        </div>
      </header>
      {freshness() === 'stale' && (
        <div class="banner" role="status">
          <Icon shape="clock" /> What you see may be old: {lastFailure.value || 'no answer from aerie'}. Asking again every 5 s.
        </div>
      )}
      <main id="main" ref={main} tabIndex={-1}>
        {page ? <page.view /> : <section><h1>There is no page here</h1><p><a href={`${base}fleet`}>To the fleet</a></p></section>}
      </main>
      <Help />
    </>
  );
}
