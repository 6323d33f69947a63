// Asks PromQL. Everything shown stands in the address, in Prometheus's own form: /graph?g0.expr=…&g0.tab=1 (1 table, 0 graph).
import {useEffect, useRef} from 'preact/hooks';
import {useSignal} from '@preact/signals';
import {ask, ApiError, type Answer, type QueryResult, type Series} from '../api';
import {parseDuration} from '../format';
import {Notice} from '../parts';
import {place, setParams} from '../router';
import type {Editor} from '../query/editor';
import {ResultTable, Summary} from '../query/results';
import type {GraphView} from '../query/graph_view';

const kRanges = ['5m', '15m', '30m', '1h', '3h', '6h', '12h', '1d', '2d', '1w', '2w'];
const kPoints = 250;

interface Shown { answer: Answer<QueryResult>; ms: number; start: number; end: number; step: number; tab: string }

interface Asked { expr: string; tab: string; range: string; end: string }

function asked(): Asked {
  const {params} = place.value;
  const tab = params.get('g0.tab') ?? '1';
  return {
    expr: params.get('g0.expr') ?? '', tab: tab === '0' || tab === 'graph' ? '0' : '1', range: params.get('g0.range_input') || '1h',
    end: params.get('g0.end_input') || params.get('g0.moment_input') || '',
  };
}

// What Prometheus writes into such links is UTC without a zone.
function endSeconds(text: string): number {
  const parsed = text ? Date.parse(/[Zz]|[+-]\d\d:?\d\d$/.test(text) ? text : `${text.replace(' ', 'T')}Z`) : NaN;
  return Number.isNaN(parsed) ? Date.now() / 1000 : parsed / 1000;
}

async function run({expr, tab, range, end}: Asked, signal: AbortSignal): Promise<Shown> {
  const began = performance.now();
  const to = endSeconds(end);
  if (tab === '1') {
    const answer = await ask<QueryResult>('query', {query: expr, time: to.toFixed(3)}, {signal, post: true});
    return {answer, ms: performance.now() - began, start: to, end: to, step: 1, tab};
  }
  const span = parseDuration(range);
  if (!span) throw new ApiError(`"${range}" is not a duration such as 1h30m`, 'bad_data');
  const step = Math.max(1, Math.floor(span / kPoints));
  const last = Math.floor(to / step) * step;
  const first = last - Math.floor(span / step) * step;
  const answer = await ask<QueryResult>('query_range', {query: expr, start: first, end: last, step}, {signal, post: true});
  return {answer, ms: performance.now() - began, start: first, end: last, step, tab};
}

function TimeControls({range, end, graph}: {range: string; end: string; graph: boolean}) {
  return (
    <>
      {graph && (
        <label>Range <select value={range} onChange={event => setParams({'g0.range_input': event.currentTarget.value})}>
          {(kRanges.includes(range) ? kRanges : [range, ...kRanges]).map(text => <option key={text}>{text}</option>)}
        </select></label>
      )}
      <label>{graph ? 'Until' : 'At'} (UTC) <input type="text" class="time" placeholder="now" value={end} pattern="\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?Z?|now|"
        onChange={event => { const text = event.currentTarget.value; setParams({'g0.end_input': text === 'now' ? '' : text, 'g0.moment_input': undefined}); }} /></label>
    </>
  );
}

function useEditor(expr: string, runNow: (text: string) => void) {
  const box = useRef<HTMLDivElement>(null);
  const editor = useRef<Editor | undefined>(undefined);
  const runner = useRef(runNow);
  runner.current = runNow;
  const failed = useSignal('');
  useEffect(() => {
    let gone = false;
    import('../query/editor').then(({createEditor}) => {
      if (gone) return;
      box.current!.textContent = '';
      editor.current = createEditor(box.current!, expr, () => runner.current(editor.current!.text()));
    }, error => { failed.value = `the editor could not be loaded: ${error.message}`; });
    return () => { gone = true; editor.current?.destroy(); editor.current = undefined; };
  }, []);
  useEffect(() => editor.current?.setText(expr), [expr]);
  return {box, text: () => editor.current?.text() ?? expr, failed};
}

export function QueryPage() {
  const now = asked();
  const shown = useSignal<Shown | null>(null);
  const error = useSignal('');
  const busy = useSignal(false);
  const turn = useSignal(0); // run again with the same address
  const graph = useRef<typeof GraphView | undefined>(undefined);

  const submit = (text: string) => {
    if (text === asked().expr) turn.value += 1; else setParams({'g0.expr': text});
  };
  const editor = useEditor(now.expr, submit);

  useEffect(() => {
    if (!now.expr.trim()) { shown.value = null; error.value = ''; return; }
    const stop = new AbortController();
    busy.value = true;
    error.value = '';
    const view = now.tab === '0' ? import('../query/graph_view') : undefined;
    run(now, stop.signal).then(async result => {
      graph.current = (await view)?.GraphView ?? graph.current;
      if (stop.signal.aborted) return;
      shown.value = result;
      busy.value = false;
    }).catch((problem: ApiError) => {
      if (stop.signal.aborted) return;
      error.value = problem.message;
      shown.value = null;
      busy.value = false;
    });
    return () => stop.abort();
  }, [now.expr, now.tab, now.range, now.end, turn.value]);

  const result = shown.value;
  const Graph = graph.current;
  const data = result?.answer.data;
  return (
    <>
      <h1 class="sr">Query</h1>
      <div class="query" data-filter>
        <div class="editor" ref={editor.box}><span class="muted">{now.expr || 'Loading the editor…'}</span></div>
        <button type="button" class="primary" disabled={busy.value} onClick={() => submit(editor.text())}>{busy.value ? 'Running…' : 'Run'}</button>
      </div>
      {editor.failed.value && <Notice tone="error">{editor.failed.value}</Notice>}
      <div class="filters">
        <div class="toggles" role="group" aria-label="Show as">
          {[['1', 'Table'], ['0', 'Graph']].map(([tab, title]) => (
            <button key={tab} type="button" class="toggle" aria-pressed={now.tab === tab} onClick={() => setParams({'g0.tab': tab})}>{title}</button>
          ))}
        </div>
        <TimeControls range={now.range} end={now.end} graph={now.tab === '0'} />
        {data && <Summary answer={data} ms={result!.ms} />}
      </div>
      {error.value && <Notice tone="error"><code>{error.value}</code></Notice>}
      {result?.answer.warnings.map(text => <Notice key={text} tone="warning">{text}</Notice>)}
      {result?.answer.infos.map(text => <Notice key={text} tone="info">{text}</Notice>)}
      <div class={busy.value ? 'busy-result' : ''}>
        {data && result!.tab === '1' && <ResultTable answer={data} />}
        {data && result!.tab === '0' && data.resultType === 'matrix' && (data.result.length && Graph
          ? <Graph series={data.result as Series[]} start={result!.start} end={result!.end} step={result!.step} />
          : <p class="pad muted">No series matches in this range.</p>)}
      </div>
      {!now.expr.trim() && (
        <section class="examples">
          <h2>Try</h2>
          <ul>{[
            ['up', 'which targets answer'],
            ['sum by (cluster) (rate(node_cpu_seconds_total{mode!="idle"}[5m]))', 'busy cores per cluster'],
            ['sum by (cluster, phase) (aerie_deployment_phase)', 'deployments by phase'],
            ['ALERTS{alertstate="firing"}', 'what fires'],
          ].map(([expr, what]) => <li key={expr}><button type="button" class="plain line" onClick={() => setParams({'g0.expr': expr})}><code>{expr}</code></button> <span class="muted">{what}</span></li>)}</ul>
        </section>
      )}
    </>
  );
}
