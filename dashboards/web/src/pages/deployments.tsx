// Every deployment of every cluster: what was wanted, what became Pods, and why not.
import {useSignal} from '@preact/signals';
import {ask, base, phases, type Cluster, type Deployment, type Phase} from '../api';
import {count, plural} from '../format';
import {usePolled} from '../live';
import {Loading, Notice, PhaseChip, Ready, Reason, ShowMore, Since, Age} from '../parts';
import {link, place, setParams} from '../router';
import {WorkloadPage} from './workload';

const kRows = 200;
const kMost = 1_000; // worst first: who wants to see further narrows it down

interface List { deployments: Deployment[]; total: number; clusters: Cluster[] }

function Filters({all, shown}: {all: Cluster[]; shown: number}) {
  const params = place.value.params;
  const chosen = new Set((params.get('phase') ?? '').split(',').filter(Boolean));
  const clusters = all.map(row => row.cluster).sort();
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
        {phases.map(phase => ({phase, n: all.filter(row => !cluster || row.cluster === cluster).reduce((sum, row) => sum + (row.deployments?.[phase] ?? 0), 0)}))
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
  const params = place.value.params;
  const wanted = {phase: params.get('phase') ?? '', cluster: params.get('cluster') ?? '', q: params.get('filter') ?? '', limit: kMost};
  const polled = usePolled(`deployments ${JSON.stringify(wanted)}`, async (signal): Promise<List> => {
    const [list, fleet] = await Promise.all([
      ask<{deployments: Deployment[]; total: number}>('deployments', wanted, {signal}),
      ask<{clusters: Cluster[]}>('clusters', {}, {signal}),
    ]);
    return {...list.data, ...fleet.data};
  }, true);
  const limit = useSignal(kRows);
  const {data, error, answeredAt} = polled.value;
  const rows = data?.deployments ?? [];
  const narrowed = wanted.phase || wanted.cluster || wanted.q;
  return (
    <>
      <h1>Deployments</h1>
      {error && <Notice tone="error">{error}</Notice>}
      {!data && !error && <Loading />}
      {data && rows.length === 0 && !narrowed && (
        <Notice tone="info">No deployment is known yet. They are read from the series of kube-state-metrics: let each cluster's Prometheus scrape it, and do not drop
          {' '}<code>kube_deployment_*</code>, <code>kube_replicaset_*</code> and <code>kube_pod_*</code> in <code>write_relabel_configs</code>.</Notice>
      )}
      {data && (rows.length > 0 || narrowed) && (
        <>
          <Filters all={data.clusters} shown={data.total} />
          {data.total > rows.length && <p class="muted">The worst {count(rows.length)} of {count(data.total)}: narrow them down by phase, cluster or words.</p>}
          <div class="scroll" tabIndex={0} role="region" aria-label="Deployments">
            <table>
              <thead>
                <tr><th class="wide">Phase</th><th>Deployment</th><th class="wide">Cluster</th><th class="wide">Reason</th><th class="right">Ready</th><th class="right wide">Updated</th><th class="right">Since</th><th class="right wide">Evidence</th></tr>
              </thead>
              <tbody>
                {rows.slice(0, limit.value).map(row => (
                  <tr key={`${row.cluster}/${row.namespace}/${row.kind}/${row.name}`}>
                    <td class="wide"><PhaseChip phase={row.phase} /></td>
                    <th scope="row">
                      <a data-row href={base + link('deployments', {namespace: row.namespace, name: row.name, ...(row.kind && row.kind !== 'Deployment' ? {kind: row.kind} : {})})}><span class="muted">{row.namespace}/</span>{row.name}</a>{row.kind && row.kind !== 'Deployment' && <span class="muted"> {row.kind}</span>}
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
  return namespace && name ? <WorkloadPage namespace={namespace} name={name} kind={params.get('kind') ?? 'Deployment'} /> : <List />;
}
