// All clusters at one glance, the worst first.
import {ask, base, phases, type Alert, type Cluster, type Deployment, type Phase} from '../api';
import {alerts} from '../alert_list';
import {count, plural} from '../format';
import {usePolled} from '../live';
import {Age, AlertChip, ClusterChip, clusterStates, Loading, Notice, PhaseChip, PhaseCounts, Reason, Since, Snippet} from '../parts';
import {link} from '../router';

const kBad: Phase[] = ['Stalled', 'Degraded', 'NotPropagated'];
const kAttentionRows = 8;

interface Fleet { clusters: Cluster[]; broken: Deployment[] }

async function load(signal: AbortSignal): Promise<Fleet> {
  const {clusters} = (await ask<{clusters: Cluster[]}>('clusters', {}, {signal})).data;
  const present = kBad.filter(phase => clusters.some(cluster => cluster.deployments?.[phase]));
  const lists = await Promise.all(present.map(phase => ask<{deployments: Deployment[]}>('deployments', {phase, limit: 1000}, {signal})));
  return {clusters, broken: lists.flatMap(list => list.data.deployments)};
}

function total(clusters: Cluster[]): Partial<Record<Phase, number>> {
  const sum: Partial<Record<Phase, number>> = {};
  for (const cluster of clusters) for (const phase of phases) sum[phase] = (sum[phase] ?? 0) + (cluster.deployments?.[phase] ?? 0);
  return sum;
}

function firingIn(cluster: string): Alert[] {
  return alerts.value.list.filter(alert => alert.state === 'firing' && alert.labels.cluster === cluster);
}

// Worst: silent, then what is broken, then what fires, then what lags.
function severity(cluster: Cluster): number[] {
  return [cluster.state === 'silent' ? 0 : 1, ...kBad.map(phase => -(cluster.deployments?.[phase] ?? 0)), -firingIn(cluster.cluster).length, clusterStates.indexOf(cluster.state)];
}

function worstFirst(a: Cluster, b: Cluster): number {
  const [x, y] = [severity(a), severity(b)];
  for (let i = 0; i < x.length; ++i) if (x[i] !== y[i]) return x[i] - y[i];
  return a.cluster.localeCompare(b.cluster);
}

function Tile({title, value, children}: {title: string; value: string; children: preact.ComponentChildren}) {
  return <div class="tile"><h2>{title}</h2><p class="figure">{value}</p><div>{children}</div></div>;
}

function Tiles({clusters}: {clusters: Cluster[]}) {
  const counts = total(clusters);
  const all = Object.values(counts).reduce((sum, n) => sum + n, 0);
  const firing = alerts.value.list.filter(alert => alert.state === 'firing');
  const known = alerts.value.answeredAt > 0;
  const severities = [...new Set(firing.map(alert => alert.labels.severity ?? 'none'))].sort();
  return (
    <div class="tiles">
      <Tile title="Clusters" value={count(clusters.length)}>
        <span class="counts">
          {clusterStates.map(state => ({state, n: clusters.filter(cluster => cluster.state === state).length})).filter(({n}) => n > 0).map(({state, n}) =>
            <span class="pair" key={state}><ClusterChip state={state} /> {count(n)}</span>)}
        </span>
      </Tile>
      <Tile title="Deployments" value={count(all)}><PhaseCounts counts={counts} /></Tile>
      <Tile title="Firing alerts" value={known ? count(firing.length) : '–'}>
        {!known ? <span class="muted">not known yet</span> : firing.length ? severities.map(name => `${firing.filter(alert => (alert.labels.severity ?? 'none') === name).length} ${name}`).join(', ') : <span class="muted">nothing fires</span>}
      </Tile>
    </div>
  );
}

// One line per broken workload, however many clusters it is broken in.
function Attention({fleet}: {fleet: Fleet}) {
  const groups = new Map<string, Deployment[]>();
  for (const row of fleet.broken) {
    const key = `${row.namespace}/${row.name}/${row.phase}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  const list = [...groups.values()].sort((a, b) => phases.indexOf(a[0].phase) - phases.indexOf(b[0].phase) || b.length - a.length);
  const silent = fleet.clusters.filter(cluster => cluster.state === 'silent');
  if (!list.length && !silent.length) return null;
  return (
    <section aria-labelledby="attention">
      <h2 id="attention">Look here first</h2>
      <ul class="attention">
        {silent.map(cluster => (
          <li key={cluster.cluster}><ClusterChip state="silent" /> <span><b>{cluster.cluster}</b> sends nothing: its deployments are unknown, not healthy</span></li>
        ))}
        {list.slice(0, kAttentionRows).map(([row, ...more]) => (
          <li key={row.namespace + row.name + row.phase}>
            <PhaseChip phase={row.phase} />
            <span>
              <a href={base + link('deployments', {namespace: row.namespace, name: row.name})}>{row.namespace}/{row.name}</a>
              {' in '}{more.length > 2 ? plural(more.length + 1, 'cluster') : [row, ...more].map(r => r.cluster).join(', ')}
              {row.reason && <> · <Reason text={row.reason} /></>}
              {row.since ? <> · for <Since unix={row.since} /></> : null}
            </span>
          </li>
        ))}
      </ul>
      {list.length > kAttentionRows && <p><a href={`${base}deployments?phase=${kBad.join(',')}`}>All {plural(list.length, 'broken workload')}</a></p>}
    </section>
  );
}

function ClusterTable({clusters, answeredAt}: {clusters: Cluster[]; answeredAt: number}) {
  const hasSeries = clusters.some(cluster => cluster.activeSeries != null);
  return (
    <section>
      <h2 id="clusters">Clusters</h2>
      <div class="scroll" tabIndex={0} role="region" aria-labelledby="clusters">
        <table>
          <thead>
            <tr><th class="wide">State</th><th>Cluster</th><th class="wide">Environment</th><th class="wide">Zone</th><th class="right">Last data</th><th class="right wide">Lag</th><th>Deployments</th><th>Firing</th>{hasSeries && <th class="right wide">Series</th>}</tr>
          </thead>
          <tbody>
            {[...clusters].sort(worstFirst).map(cluster => {
              const firing = firingIn(cluster.cluster);
              return (
                <tr key={cluster.cluster}>
                  <td class="wide"><ClusterChip state={cluster.state} /></td>
                  <th scope="row">
                    <a data-row href={base + link('deployments', {cluster: cluster.cluster})}>{cluster.cluster}</a>
                    {cluster.flapping && <span class="message whole">flaps between silent and alive</span>}{cluster.note && <span class="message whole">{cluster.note}</span>}
                    <span class="narrow-only"><ClusterChip state={cluster.state} /></span>
                    <span class="narrow-only muted">{[cluster.environment, cluster.zone].filter(Boolean).join(' · ')}</span>
                  </th>
                  <td class="wide">{cluster.environment || <span class="muted">–</span>}</td>
                  <td class="wide">{cluster.zone || <span class="muted">–</span>}</td>
                  <td class="right"><Age seconds={cluster.lastArrivalSeconds} at={answeredAt} none="never" /></td>
                  <td class="right wide number">{cluster.lagSeconds == null || cluster.state === 'silent' ? '–' : `${cluster.lagSeconds.toFixed(1)} s`}</td>
                  <td><PhaseCounts counts={cluster.deployments ?? {}} /></td>
                  <td>{firing.length ? <a class="counts" href={base + link('alerts', {filter: `cluster=${cluster.cluster}`})}><AlertChip state="firing" severity={firing[0].labels.severity} /> {firing.length}</a> : <span class="muted">{alerts.value.answeredAt ? '–' : '?'}</span>}</td>
                  {hasSeries && <td class="right wide number">{cluster.activeSeries == null ? '–' : count(cluster.activeSeries)}</td>}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function FirstRun() {
  const yaml = `global:
  external_labels:
    cluster: my-cluster
    environment: production
    zone: eu-1
remote_write:
  - url: ${base}api/v1/write`;
  return (
    <section class="first-run" aria-labelledby="first">
      <h2 id="first">Point a Prometheus here</h2>
      <p>No cluster has sent anything yet. Add this to its <code>prometheus.yml</code>, with a name of its own for each cluster, and reload it:</p>
      <Snippet text={yaml} label="Configuration for Prometheus" />
      <p class="muted">An HA pair sends with both replicas and keeps its <code>prometheus_replica</code> label: aerie takes one of them. With
        prometheus-operator the same settings are <code>externalLabels</code> and <code>remoteWrite</code> of the Prometheus object.
        If the address above is not how the cluster reaches aerie, replace it.</p>
      <p role="status"><span class="dot pulse" aria-hidden="true" /> Waiting for the first sample…</p>
    </section>
  );
}

export function FleetPage() {
  const polled = usePolled('fleet', load);
  const {data, error, answeredAt} = polled.value;
  return (
    <>
      <h1>Fleet</h1>
      {error && <Notice tone="error">{error}</Notice>}
      {!data && !error && <Loading />}
      {data && data.clusters.length === 0 && <FirstRun />}
      {data && data.clusters.length > 0 && (
        <>
          <Tiles clusters={data.clusters} />
          <Attention fleet={data} />
          <ClusterTable clusters={data.clusters} answeredAt={answeredAt} />
        </>
      )}
    </>
  );
}
