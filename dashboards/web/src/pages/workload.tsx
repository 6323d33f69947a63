// One workload, all clusters side by side.
import {ask, ApiError, base, phases, type Deployment, type Workload} from '../api';
import {dateTime, plural} from '../format';
import {usePolled} from '../live';
import {Age, Loading, Notice, PhaseChip, Ready, Reason, Since} from '../parts';
import {link} from '../router';

function Why({row}: {row: Deployment}) {
  if (row.causes?.length) {
    return (
      <ul class="causes">
        {row.causes.map(cause => (
          <li key={cause.reason}><Reason text={cause.reason} />{cause.count > 0 && <span class="muted"> {plural(cause.count, 'pod')}</span>}{cause.message && <span class="message whole">{cause.message}</span>}</li>
        ))}
      </ul>
    );
  }
  return <>{row.reason && <Reason text={row.reason} />}{row.message && <span class="message whole">{row.message}</span>}{!row.reason && !row.message && <span class="muted">–</span>}</>;
}

function Sums({workload}: {workload: Workload}) {
  const {desiredReplicas: desired, readyReplicas: ready, unknownReplicas: unknown} = workload;
  const expr = `kube_deployment_status_replicas_ready{namespace="${workload.namespace}", deployment="${workload.name}"}`;
  const updated = workload.clusters.reduce((sum, row) => sum + (row.updated ?? row.desired ?? 0), 0);
  const oldest = Math.min(...workload.clusters.map(row => row.since ?? Infinity));
  return (
    <dl class="facts">
      <div><dt>Phase, all clusters</dt><dd><PhaseChip phase={workload.phase} /> {workload.reason && <Reason text={workload.reason} />}</dd></div>
      <div><dt>Ready of desired</dt><dd><Ready ready={ready} desired={desired} updated={updated} /></dd></div>
      {unknown ? <div><dt>Unknown</dt><dd class="number">{unknown}</dd></div> : null}
      {Number.isFinite(oldest) && <div><dt>First change</dt><dd class="number">{dateTime(oldest * 1000)}</dd></div>}
      <div><dt>Samples</dt><dd><a href={base + link('graph', {'g0.expr': expr, 'g0.tab': '0'})}>Ready replicas as a graph</a></dd></div>
    </dl>
  );
}

export function WorkloadPage({namespace, name}: {namespace: string; name: string}) {
  const path = `deployments/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
  const polled = usePolled(path, async signal => {
    try {
      return (await ask<Workload>(path, {}, {signal})).data;
    } catch (error) {
      if (error instanceof ApiError && error.kind === 'not_found') return null;
      throw error;
    }
  });
  const {data, error, answeredAt} = polled.value;
  const rows = [...(data?.clusters ?? [])].sort((a, b) => phases.indexOf(a.phase) - phases.indexOf(b.phase) || a.cluster.localeCompare(b.cluster));
  return (
    <>
      <p class="crumbs"><a href={`${base}deployments`}>Deployments</a> / </p>
      <h1><span class="muted">{namespace}/</span>{name}</h1>
      {error && <Notice tone="error">{error}</Notice>}
      {data === undefined && !error && <Loading />}
      {data === null && <Notice tone="info">No cluster has a deployment of this name.</Notice>}
      {data && (
        <>
          <Sums workload={data} />
          <div class="scroll" tabIndex={0} role="region" aria-label="Clusters side by side">
            <table>
              <thead><tr><th>Cluster</th><th class="wide">Phase</th><th>Why</th><th class="right">Ready</th><th class="right wide">Updated</th><th class="right wide">Available</th><th class="right">Since</th><th class="right wide">Evidence</th></tr></thead>
              <tbody>
                {rows.map(row => (
                  <tr key={row.cluster}>
                    <th scope="row"><a data-row href={base + link('deployments', {cluster: row.cluster})}>{row.cluster}</a><span class="narrow-only"><PhaseChip phase={row.phase} /></span></th>
                    <td class="wide"><PhaseChip phase={row.phase} /></td>
                    <td class="text"><Why row={row} /></td>
                    <td class="right"><Ready ready={row.ready} desired={row.desired} updated={row.updated} /></td>
                    <td class="right wide number">{row.updated ?? '–'}</td>
                    <td class="right wide number">{row.available ?? '–'}</td>
                    <td class="right"><Since unix={row.since} /></td>
                    <td class="right wide"><Age seconds={row.evidenceAgeSeconds} at={answeredAt} /></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
    </>
  );
}
