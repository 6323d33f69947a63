// What happened to one workload: a lane per cluster over the last hours, and the events as a table.
import {useSignal} from '@preact/signals';
import {ask, base, phases, type Phase, type QueryResult, type TimelineEvent} from '../api';
import {dateTime, duration} from '../format';
import {usePolled} from '../live';
import {PhaseChip, phaseTone, Reason, ShowMore, Since} from '../parts';
import {link} from '../router';

const kHours = [1, 6, 24, 168];
const kSteps = 120;
const kEvents = 20;

interface Lane { cluster: string; cells: (Phase | undefined)[] }

// Series of aerie_deployment_phase to one lane a cluster; where two phases meet in a step the worse one is shown.
function lanes(result: QueryResult, start: number, step: number): Lane[] {
  const by = new Map<string, (Phase | undefined)[]>();
  if (result.resultType !== 'matrix') return [];
  for (const series of result.result) {
    const phase = series.metric.phase as Phase;
    const cells = by.get(series.metric.cluster) ?? new Array<Phase | undefined>(kSteps + 1).fill(undefined);
    by.set(series.metric.cluster, cells);
    for (const [time] of series.values ?? []) {
      const at = Math.round((time - start) / step);
      const before = cells[at];
      if (before === undefined || phases.indexOf(phase) < phases.indexOf(before)) cells[at] = phase;
    }
  }
  return [...by].map(([cluster, cells]) => ({cluster, cells})).sort((a, b) => a.cluster.localeCompare(b.cluster));
}

interface Run { phase?: Phase; begin: number; length: number }

function runs(cells: (Phase | undefined)[]): Run[] {
  const list: Run[] = [];
  cells.forEach((phase, i) => {
    const last = list[list.length - 1];
    if (last && last.phase === phase) last.length += 1; else list.push({phase, begin: i, length: 1});
  });
  return list;
}

// Worse phases are taller, so that the strip reads without colour too.
const kHeights: Partial<Record<Phase, number>> = {Complete: 6, Idle: 3, Progressing: 9, Unknown: 12, NotDesired: 12};

function Strip({lane, start, step}: {lane: Lane; start: number; step: number}) {
  const parts = runs(lane.cells);
  const text = parts.filter(part => part.phase).map(part => `${part.phase} ${duration(part.length * step)}`).join(', ') || 'nothing known';
  return (
    <svg class="strip" viewBox={`0 0 ${kSteps + 1} 16`} preserveAspectRatio="none" role="img" aria-label={`${lane.cluster}: ${text}`}>
      {parts.map(part => part.phase && (
        <rect key={part.begin} class={phaseTone(part.phase)} x={part.begin} width={part.length} y={16 - (kHeights[part.phase] ?? 16)} height={kHeights[part.phase] ?? 16}>
          <title>{`${part.phase} from ${dateTime((start + part.begin * step) * 1000)} for ${duration(part.length * step)}`}</title>
        </rect>
      ))}
    </svg>
  );
}

export function Timeline({namespace, name, kind, clusters}: {namespace: string; name: string; kind: string; clusters: string[]}) {
  const hours = useSignal(6);
  const limit = useSignal(kEvents);
  const expr = `aerie_deployment_phase{namespace="${namespace}", deployment="${name}", kind="${kind === 'Deployment' ? '' : kind}"}`;
  const path = `deployments/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}/timeline`;
  const strip = usePolled(`strip ${expr} ${hours.value}`, async signal => {
    const step = hours.value * 3600 / kSteps;
    const end = Math.ceil(Date.now() / 1000 / step) * step;
    const start = end - kSteps * step;
    return {start, step, lanes: lanes((await ask<QueryResult>('query_range', {query: expr, start, end, step}, {signal, post: true})).data, start, step)};
  }, true);
  const polled = usePolled(`${path} ${kind}`, async signal => (await ask<{events: TimelineEvent[]}>(path, {kind}, {signal})).data.events);
  const shown = strip.value.data;
  const events = [...(polled.value.data ?? [])].reverse();
  const known = shown?.lanes.filter(lane => clusters.includes(lane.cluster)) ?? [];
  return (
    <section aria-labelledby="timeline">
      <div class="filters">
        <h2 id="timeline">What happened</h2>
        <div class="toggles" role="group" aria-label="How far back">
          {kHours.map(n => <button key={n} type="button" class="toggle" aria-pressed={hours.value === n} onClick={() => { hours.value = n; }}>{n < 48 ? `${n} h` : `${n / 24} d`}</button>)}
        </div>
        <a href={base + link('graph', {'g0.expr': expr, 'g0.tab': '0', 'g0.range_input': `${hours.value}h`})}>As a graph</a>
      </div>
      {known.length > 0 && shown && (
        <dl class="lanes">
          {known.slice(0, 100).map(lane => <div key={lane.cluster}><dt>{lane.cluster}</dt><dd><Strip lane={lane} start={shown.start} step={shown.step} /></dd></div>)}
        </dl>
      )}
      {events.length === 0 ? <p class="muted">Nothing happened in 30 days.</p> : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Events">
          <table>
            <thead><tr><th>Ago</th><th>Event</th><th>Cluster</th><th class="wide">Phase then</th><th class="wide">Reason</th><th class="right wide">Took</th></tr></thead>
            <tbody>
              {events.slice(0, limit.value).map(event => (
                <tr key={event.number}>
                  <td><Since unix={event.at} /></td>
                  <th scope="row">{event.event}</th>
                  <td>{event.cluster}</td>
                  <td class="wide"><PhaseChip phase={event.phase} /></td>
                  <td class="wide text">{event.reason && <Reason text={event.reason} />}{event.message && <span class="message whole">{event.message}</span>}</td>
                  <td class="right wide number">{event.tookSeconds == null ? '–' : duration(event.tookSeconds)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <ShowMore shown={limit.value} total={events.length} onMore={() => { limit.value += 200; }} />
    </section>
  );
}
