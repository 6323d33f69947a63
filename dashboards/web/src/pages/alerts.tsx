// What fires and what is pending, one line each; then every rule and how it is doing.
import {ask, base, type Alert, type Rule, type RuleGroup} from '../api';
import {alerts} from '../alert_list';
import {duration, plural} from '../format';
import {now, usePolled} from '../live';
import {AlertChip, Icon, Loading, Notice, Since} from '../parts';
import {link, place, setParams} from '../router';

const kRank: Record<string, number> = {firing: 0, pending: 1};

function Labels({labels}: {labels: Record<string, string>}) {
  return (
    <span class="labels">
      {Object.entries(labels).filter(([name]) => name !== 'alertname').map(([name, value]) => <span class="label" key={name}>{name}=<b>{value}</b></span>)}
    </span>
  );
}

// Words, `label=value` and `!not`.
function matches(text: string, words: string[]): boolean {
  return words.every(word => word.startsWith('!') && word.length > 1 ? !text.includes(word.slice(1)) : text.includes(word));
}

function alertText(alert: Alert): string {
  return `${alert.state} ${Object.entries(alert.labels).map(([k, v]) => `${k}=${v}`).join(' ')} ${Object.values(alert.annotations ?? {}).join(' ')}`.toLowerCase();
}

function Active({list}: {list: Alert[]}) {
  const sorted = [...list].sort((a, b) => (kRank[a.state] ?? 2) - (kRank[b.state] ?? 2) || String(b.activeAt).localeCompare(String(a.activeAt)));
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Active alerts">
      <table>
        <thead><tr><th>State</th><th>Alert</th><th class="wide">Labels</th><th class="right">Since</th><th class="right wide">Value</th></tr></thead>
        <tbody>
          {sorted.map(alert => {
            const summary = alert.annotations?.summary ?? alert.annotations?.description ?? '';
            return (
              <tr key={JSON.stringify(alert.labels)}>
                <td><AlertChip state={alert.state} severity={alert.labels.severity} /></td>
                <th scope="row" class="text">
                  <a data-row href={base + link('graph', {'g0.expr': `ALERTS{alertname="${alert.labels.alertname ?? ''}"}`, 'g0.tab': '1'})}>{alert.labels.alertname}</a>
                  {summary && <span class="message whole">{summary}</span>}
                  <span class="narrow-only"><Labels labels={alert.labels} /></span>
                </th>
                <td class="wide"><Labels labels={alert.labels} /></td>
                <td class="right"><Since unix={alert.activeAt ? Date.parse(alert.activeAt) / 1000 : null} /></td>
                <td class="right wide number">{String(Number(alert.value))}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Health({rule}: {rule: Rule}) {
  if (rule.health === 'ok') return <span class="chip small ok"><Icon shape="check" />ok</span>;
  if (rule.health === 'unknown') return <span class="chip small idle"><Icon shape="ring" />not yet</span>;
  return <span class="chip small bad"><Icon shape="cross" />{rule.health}</span>;
}

function Group({group, words}: {group: RuleGroup; words: string[]}) {
  const rules = group.rules.filter(rule => matches(`${rule.name} ${rule.query} ${rule.state ?? ''} ${rule.health} ${group.name}`.toLowerCase(), words));
  if (!rules.length) return null;
  const id = `group-${group.file}-${group.name}`;
  return (
    <section class="group">
      <h3 id={id}>{group.name} <span class="muted">{group.file} · every {duration(group.interval)}</span></h3>
      <div class="scroll" tabIndex={0} role="region" aria-labelledby={id}>
        <table>
          <thead><tr><th>State</th><th>Rule</th><th class="wide">Expression</th><th>Health</th><th class="right wide">Evaluated</th><th class="right wide">Took</th></tr></thead>
          <tbody>
            {rules.map((rule, index) => (
              <tr key={index}>
                <td>{rule.type === 'alerting' ? <AlertChip state={rule.state ?? 'inactive'} severity={rule.labels?.severity} /> : <span class="muted">records</span>}</td>
                <th scope="row"><a data-row href={base + link('graph', {'g0.expr': rule.query, 'g0.tab': '1'})}>{rule.name}</a></th>
                <td class="wide text"><code class="message" title={rule.query}>{rule.query}</code>{rule.lastError && <span class="error">{rule.lastError}</span>}</td>
                <td><Health rule={rule} /></td>
                <td class="right wide number">{rule.lastEvaluation && Date.parse(rule.lastEvaluation) > 0 ? `${duration((now.value - Date.parse(rule.lastEvaluation)) / 1000)} ago` : '–'}</td>
                <td class="right wide number">{rule.evaluationTime === undefined ? '–' : `${(rule.evaluationTime * 1000).toFixed(1)} ms`}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

export function AlertsPage() {
  const polled = usePolled('rules', async signal => (await ask<{groups: RuleGroup[]}>('rules', {}, {signal})).data.groups ?? []);
  const {data: groups, error} = polled.value;
  const words = (place.value.params.get('filter') ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  const active = alerts.value.list.filter(alert => matches(alertText(alert), words));
  const firing = active.filter(alert => alert.state === 'firing').length;
  return (
    <>
      <h1>Alerts</h1>
      {error && <Notice tone="error">{error}</Notice>}
      <div class="filters">
        <label class="grow">
          <span class="sr">Filter</span>
          <input data-filter type="search" placeholder="Filter: words, label=value, !not   ( / )" value={place.value.params.get('filter') ?? ''}
            onInput={event => setParams({filter: event.currentTarget.value})} />
        </label>
        <span class="muted" role="status">{firing} firing, {active.length - firing} pending</span>
      </div>
      {alerts.value.answeredAt > 0 && (active.length ? <Active list={active} /> : <p class="pad"><span class="chip ok"><Icon shape="check" />Quiet</span> {words.length ? 'No active alert matches.' : 'Nothing fires and nothing is pending.'}</p>)}
      <h2>Rules</h2>
      {!groups && !error && <Loading />}
      {groups && groups.length === 0 && <Notice tone="info">No rule file is loaded. Name rule files under <code>rule_files</code> in the configuration file, in Prometheus's own format.</Notice>}
      {groups && groups.length > 0 && <p class="muted">{plural(groups.reduce((sum, g) => sum + g.rules.length, 0), 'rule')} in {plural(groups.length, 'group')}</p>}
      {groups?.map(group => <Group key={`${group.file};${group.name}`} group={group} words={words} />)}
    </>
  );
}
