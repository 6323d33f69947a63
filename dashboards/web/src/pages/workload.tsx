// One workload, all clusters side by side.
import {ask, ApiError, base, phases, type Deployment, type Pod, type Workload} from '../api';
import {dateTime, plural} from '../format';
import {usePolled} from '../live';
import {Age, Loading, Notice, PhaseChip, Ready, Reason, Since} from '../parts';
import {link} from '../router';
import {Timeline} from './timeline';

const kShownPods = 10;

function Why({row}: {row: Deployment}) {
  const warnings = row.warnings?.map(text => <span class="message whole" key={text}>{text}</span>);
  if (row.causes?.length) {
    return (
      <>
        <ul class="causes">
          {row.causes.map(cause => (
            <li key={cause.reason}><Reason text={cause.reason} />{cause.count > 0 && <span class="muted"> {plural(cause.count, 'pod')}</span>}{cause.message && <span class="message whole">{cause.message}</span>}</li>
          ))}
        </ul>
        {warnings}
      </>
    );
  }
  const nothing = !row.reason && !row.message && !warnings?.length;
  return <>{row.reason && <Reason text={row.reason} />}{row.message && <span class="message whole">{row.message}</span>}{warnings}{nothing && <span class="muted">–</span>}</>;
}

// What the metrics behind the numbers of a kind begin with.
const kMetrics: Record<string, string> = {Deployment: 'kube_deployment_status_replicas_', StatefulSet: 'kube_statefulset_status_replicas_', DaemonSet: 'kube_daemonset_status_number_', Rollout: 'rollout_info_replicas_'};

// Undefined where a kind has no such series.
function expression(kind: string, field: string, namespace: string, name: string, cluster?: string): string | undefined {
  const of = `{${cluster ? `cluster="${cluster}", ` : ''}namespace="${namespace}", `;
  if (field === 'desired') return `aerie_deployment_desired_replicas${of}deployment="${name}"}`;
  if (!kMetrics[kind] || (kind === 'Rollout' && field === 'ready') || (kind === 'DaemonSet' && field === 'updated')) return undefined;
  return `${kMetrics[kind]}${field}${of}${kind === 'Rollout' ? 'name' : kind.toLowerCase()}="${name}"}`;
}

// A number that leads to the query it comes from.
function Figure({value, expr, what}: {value?: number | null; expr?: string; what: string}) {
  if (value === undefined || value === null) return <span class="muted">–</span>;
  if (!expr) return <span class="number">{value}</span>;
  return <a class="number source" title={expr} aria-label={`${value}, ${what}: the query behind it`} href={base + link('graph', {'g0.expr': expr, 'g0.tab': '0'})}>{value}</a>;
}

function Sums({workload, kind}: {workload: Workload; kind: string}) {
  const {desiredReplicas: desired, readyReplicas: ready, unknownReplicas: unknown} = workload;
  const updated = workload.clusters.reduce((sum, row) => sum + (row.updated ?? row.desired ?? 0), 0);
  const oldest = Math.min(...workload.clusters.map(row => row.since ?? Infinity));
  const images = [...new Set(workload.clusters.flatMap(row => row.images ?? []))];
  const expr = `sum(${expression(kind, 'ready', workload.namespace, workload.name) ?? expression(kind, 'available', workload.namespace, workload.name)})`;
  return (
    <dl class="facts">
      <div><dt>Phase, all clusters</dt><dd><PhaseChip phase={workload.phase} /> {workload.reason && <Reason text={workload.reason} />}</dd></div>
      <div><dt>Ready of desired</dt><dd><Ready ready={ready} desired={desired} updated={updated} /></dd></div>
      {unknown ? <div><dt>Unknown</dt><dd class="number">{unknown}</dd></div> : null}
      {Number.isFinite(oldest) && <div><dt>First change</dt><dd class="number">{dateTime(oldest * 1000)}</dd></div>}
      {images.length > 0 && <div><dt>{images.length === 1 ? 'Image' : 'Images'}</dt><dd><code>{images.join(', ')}</code></dd></div>}
      <div><dt>Samples</dt><dd><a href={base + link('graph', {'g0.expr': expr, 'g0.tab': '0'})}>Ready replicas as a graph</a></dd></div>
    </dl>
  );
}

function DriftNotice({workload}: {workload: Workload}) {
  if (!workload.drift?.length) return null;
  return (
    <Notice tone="warning">
      <span>Not the same everywhere: </span>
      {workload.drift.slice(0, 5).map((drift, i) => <span key={`${drift.cluster}${drift.field}`}>{i > 0 && '; '}{drift.cluster} has {drift.field} <code>{drift.own}</code>, most have <code>{drift.most}</code></span>)}
      {workload.drift.length > 5 && ' …'}
    </Notice>
  );
}

interface Held { cluster: string; pod: Pod }

// Pods that do not serve, grouped by what holds them back, over all clusters.
function PodsByCause({workload}: {workload: Workload}) {
  const groups = new Map<string, Held[]>();
  for (const row of workload.clusters) {
    for (const pod of row.pods ?? []) {
      if (!pod.reason) continue;
      groups.set(pod.reason, [...(groups.get(pod.reason) ?? []), {cluster: row.cluster, pod}]);
    }
  }
  if (groups.size === 0) return null;
  return (
    <section aria-labelledby="pods">
      <h2 id="pods">Pods that do not serve, by cause</h2>
      {[...groups].sort((a, b) => b[1].length - a[1].length).map(([reason, held]) => (
        <details key={reason} open={groups.size === 1}>
          <summary><Reason text={reason} /> <span class="muted">{plural(held.length, 'pod')} in {plural(new Set(held.map(each => each.cluster)).size, 'cluster')}</span></summary>
          <ul class="pods">
            {held.slice(0, kShownPods).map(({cluster, pod}) => (
              <li key={`${cluster}/${pod.name}`}><span class="muted">{cluster}/</span>{pod.name}{pod.node && <span class="muted"> on {pod.node}</span>}{!pod.newest && <span class="muted"> (older template)</span>}{pod.message && <span class="message whole">{pod.message}</span>}</li>
            ))}
            {held.length > kShownPods && <li class="muted">and {plural(held.length - kShownPods, 'more')}</li>}
          </ul>
        </details>
      ))}
    </section>
  );
}

function Clusters({workload, kind, answeredAt}: {workload: Workload; kind: string; answeredAt: number}) {
  const rows = [...workload.clusters].sort((a, b) => phases.indexOf(a.phase) - phases.indexOf(b.phase) || a.cluster.localeCompare(b.cluster));
  const number = (row: Deployment, field: 'desired' | 'updated' | 'available') =>
    <Figure value={row[field]} what={`${field} in ${row.cluster}`} expr={expression(kind, field, workload.namespace, workload.name, row.cluster)} />;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Clusters side by side">
      <table>
        <thead><tr><th>Cluster</th><th class="wide">Phase</th><th>Why</th><th class="right">Ready</th><th class="right wide">Desired</th><th class="right wide">Created</th><th class="right wide">Updated</th><th class="right wide">Available</th><th class="right">Since</th><th class="right wide">Evidence</th></tr></thead>
        <tbody>
          {rows.map(row => (
            <tr key={row.cluster}>
              <th scope="row"><a data-row href={base + link('deployments', {cluster: row.cluster})}>{row.cluster}</a><span class="narrow-only"><PhaseChip phase={row.phase} /></span></th>
              <td class="wide"><PhaseChip phase={row.phase} />{row.phase === 'Unknown' && row.lastKnown && <span class="message">last: {row.lastKnown}</span>}</td>
              <td class="text"><Why row={row} /></td>
              <td class="right"><Ready ready={row.ready} desired={row.desired} updated={row.updated} /></td>
              <td class="right wide">{number(row, 'desired')}</td>
              <td class="right wide number">{row.created ?? '–'}</td>
              <td class="right wide">{number(row, 'updated')}</td>
              <td class="right wide">{number(row, 'available')}</td>
              <td class="right"><Since unix={row.since} /></td>
              <td class="right wide"><Age seconds={row.evidenceAgeSeconds} at={answeredAt} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function WorkloadPage({namespace, name, kind}: {namespace: string; name: string; kind: string}) {
  const path = `deployments/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
  const polled = usePolled(`${path} ${kind}`, async signal => {
    try {
      return (await ask<Workload>(path, {kind}, {signal})).data;
    } catch (error) {
      if (error instanceof ApiError && error.kind === 'not_found') return null;
      throw error;
    }
  });
  const {data, error, answeredAt} = polled.value;
  return (
    <>
      <p class="crumbs"><a href={`${base}deployments`}>Deployments</a> / </p>
      <h1><span class="muted">{namespace}/</span>{name}{kind !== 'Deployment' && <span class="muted"> {kind}</span>}</h1>
      {error && <Notice tone="error">{error}</Notice>}
      {data === undefined && !error && <Loading />}
      {data === null && <Notice tone="info">No cluster has a {kind} of this name.</Notice>}
      {data && (
        <>
          <Sums workload={data} kind={kind} />
          <DriftNotice workload={data} />
          <Clusters workload={data} kind={kind} answeredAt={answeredAt} />
          <PodsByCause workload={data} />
          <Timeline namespace={namespace} name={name} kind={kind} clusters={data.clusters.map(row => row.cluster)} />
        </>
      )}
    </>
  );
}
