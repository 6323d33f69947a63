// Every deployment of every cluster: what was wanted, what became Pods, and why not.
import {useSignal} from '@preact/signals';
import {ask, base, phases, type Deployment, type Phase} from '../api';
import {plural} from '../format';
import {usePolled} from '../live';
import {Loading, Notice, PhaseChip, Ready, Reason, ShowMore, Since, Age} from '../parts';
import {link, place, setParams} from '../router';
import {WorkloadPage} from './workload';

const kRows = 200;

function matches(row: Deployment, words: string[]): boolean {
  const text = `${row.namespace}/${row.name} ${row.cluster} ${row.phase} ${row.reason ?? ''} ${row.message ?? ''}`.toLowerCase();
  return words.every(word => word.startsWith('!') && word.length > 1 ? !text.includes(word.slice(1)) : text.includes(word));
}

function worstFirst(a: Deployment, b: Deployment): number {
  return phases.indexOf(a.phase) - phases.indexOf(b.phase) || (b.since ?? 0) - (a.since ?? 0)
    || `${a.namespace}/${a.name}`.localeCompare(`${b.namespace}/${b.name}`) || a.cluster.localeCompare(b.cluster);
}

function Filters({all, shown}: {all: Deployment[]; shown: number}) {
  const params = place.value.params;
  const chosen = new Set((params.get('phase') ?? '').split(',').filter(Boolean));
  const clusters = [...new Set(all.map(row => row.cluster))].sort();
  const cluster = params.get('cluster') ?? '';
  const toggle = (phase: Phase) => {
    if (chosen.has(phase)) chosen.delete(phase); else chosen.add(phase);
    setParams({phase: [...chosen].join(',')});
  };
  return (
    <div class="filters">
      <label class="grow">
        <span class="sr">Filter</span>
        <input data-filter type="search" placeholder="Filter: words, !not   ( / )" value={params.get('filter') ?? ''}
          onInput={event => setParams({filter: event.currentTarget.value})} />
      </label>
      <label>
        <span class="sr">Cluster</span>
        <select value={cluster} onChange={event => setParams({cluster: event.currentTarget.value})}>
          <option value="">All clusters</option>
          {(clusters.includes(cluster) || !cluster ? clusters : [cluster, ...clusters]).map(name => <option key={name} value={name}>{name}</option>)}
        </select>
      </label>
      <div class="toggles" role="group" aria-label="Phases">
        {phases.map(phase => ({phase, n: all.filter(row => row.phase === phase && (!cluster || row.cluster === cluster)).length}))
          .filter(({phase, n}) => n > 0 || chosen.has(phase))
          .map(({phase, n}) => (
            <button key={phase} type="button" class="toggle" aria-pressed={chosen.has(phase)} onClick={() => toggle(phase)}>
              <PhaseChip phase={phase} /> {n}
            </button>
          ))}
      </div>
      <span class="muted" role="status">{plural(shown, 'deployment')}</span>
    </div>
  );
}

function List() {
  const polled = usePolled('deployments', async signal => (await ask<{deployments: Deployment[]}>('deployments', {}, {signal})).data.deployments);
  const limit = useSignal(kRows);
  const {data, error, answeredAt} = polled.value;
  const params = place.value.params;
  const words = (params.get('filter') ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = (params.get('phase') ?? '').split(',').filter(Boolean);
  const cluster = params.get('cluster');
  const rows = (data ?? []).filter(row => (!chosen.length || chosen.includes(row.phase)) && (!cluster || row.cluster === cluster) && matches(row, words)).sort(worstFirst);
  return (
    <>
      <h1>Deployments</h1>
      {error && <Notice tone="error">{error}</Notice>}
      {!data && !error && <Loading />}
      {data && data.length === 0 && (
        <Notice tone="info">No deployment is known yet. They are read from the series of kube-state-metrics: let each cluster's Prometheus scrape it, and do not drop
          {' '}<code>kube_deployment_*</code>, <code>kube_replicaset_*</code> and <code>kube_pod_*</code> in <code>write_relabel_configs</code>.</Notice>
      )}
      {data && data.length > 0 && (
        <>
          <Filters all={data} shown={rows.length} />
          <div class="scroll" tabIndex={0} role="region" aria-label="Deployments">
            <table>
              <thead>
                <tr><th class="wide">Phase</th><th>Deployment</th><th class="wide">Cluster</th><th class="wide">Reason</th><th class="right">Ready</th><th class="right wide">Updated</th><th class="right">Since</th><th class="right wide">Evidence</th></tr>
              </thead>
              <tbody>
                {rows.slice(0, limit.value).map(row => (
                  <tr key={`${row.cluster}/${row.namespace}/${row.name}`}>
                    <td class="wide"><PhaseChip phase={row.phase} /></td>
                    <th scope="row">
                      <a data-row href={base + link('deployments', {namespace: row.namespace, name: row.name})}><span class="muted">{row.namespace}/</span>{row.name}</a>
                      <span class="narrow-only"><PhaseChip phase={row.phase} /> <span class="muted">{row.cluster}{row.reason ? ` · ${row.reason}` : ''}</span></span>
                    </th>
                    <td class="wide">{row.cluster}</td>
                    <td class="wide text">{row.reason && <Reason text={row.reason} />}{row.message && <span class="message" title={row.message}>{row.message}</span>}</td>
                    <td class="right"><Ready ready={row.ready} desired={row.desired} updated={row.updated} /></td>
                    <td class="right wide number">{row.updated ?? '–'}</td>
                    <td class="right"><Since unix={row.since} /></td>
                    <td class="right wide"><Age seconds={row.evidenceAgeSeconds} at={answeredAt} /></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {rows.length === 0 && <p class="muted pad">Nothing matches. <button type="button" onClick={() => setParams({filter: '', phase: '', cluster: ''})}>Clear the filters</button></p>}
          <ShowMore shown={limit.value} total={rows.length} onMore={() => { limit.value += kRows; }} />
        </>
      )}
    </>
  );
}

export function DeploymentsPage() {
  const {params} = place.value;
  const namespace = params.get('namespace');
  const name = params.get('name');
  return namespace && name ? <WorkloadPage namespace={namespace} name={name} /> : <List />;
}
