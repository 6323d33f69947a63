// Serves dist/ and invented answers, to work on the pages without a server: node dev/mock.mjs [port] [demo|empty|large|down].
// Sends the same security headers as aerie does. Not shipped.
import http from 'node:http';
import {existsSync, readFileSync} from 'node:fs';
import {gunzipSync} from 'node:zlib';
import {randomBytes} from 'node:crypto';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

const dist = path.join(path.dirname(fileURLToPath(import.meta.url)), '../dist');
const port = Number(process.argv[2] ?? 9799);
const scenario = process.argv[3] ?? 'demo';
const began = Date.now() / 1000;
const kMime = {'.js': 'text/javascript', '.css': 'text/css', '.html': 'text/html; charset=utf-8', '.txt': 'text/plain; charset=utf-8'};
const kPages = new Set(['/', '/fleet', '/deployments', '/query', '/graph', '/alerts', '/index.html']);
const now = () => Date.now() / 1000;

function groupBy(list, key) {
  const groups = new Map();
  for (const item of list) groups.set(item[key], [...(groups.get(item[key]) ?? []), item]);
  return groups;
}

const kWorkloads = [['shop', 'nginx', 3], ['shop', 'cart', 2], ['shop', 'checkout', 4], ['infra', 'ingress', 2], ['infra', 'dns', 2], ['batch', 'reports', 0]];

function row(cluster, namespace, name, desired, more = {}) {
  return {cluster, namespace, name, phase: desired ? 'Complete' : 'Idle', reason: '', message: '', desired, updated: desired, ready: desired, available: desired,
          since: Math.round(began - 86400 * 3), evidenceAgeSeconds: 4.2, ...more};
}

function rows() {
  if (scenario === 'empty') return [];
  const clusters = scenario === 'large' ? Array.from({length: 1000}, (_, i) => `edge-${String(i).padStart(3, '0')}`) : ['gondor', 'rohan', 'shire'];
  const list = clusters.flatMap(cluster => kWorkloads.map(([ns, name, n]) => row(cluster, ns, name, n)));
  const change = (cluster, name, values) => Object.assign(list.find(r => r.cluster === cluster && r.name === name), values);
  change(clusters[2], 'nginx', {phase: 'Stalled', reason: 'ImagePullBackOff', message: 'Back-off pulling image "registry.example/shop/nginx:1.27-typo": 2 of 3 new pods', updated: 2, ready: 1, available: 1, since: Math.round(began - 260),
    causes: [{reason: 'ImagePullBackOff', count: 2, message: 'Back-off pulling image "registry.example/shop/nginx:1.27-typo"'}, {reason: 'OldReplicasTerminating', count: 1, message: ''}]});
  change(clusters[0], 'checkout', {phase: 'Progressing', reason: 'RollingOut', message: '3 of 4 pods are new', updated: 3, ready: 3, available: 3, since: Math.round(began - 35)});
  change(clusters[1], 'cart', {phase: 'Degraded', reason: 'CrashLoop', message: 'CrashLoopBackOff: 1 of 2 pods, last exit code 137 (OOMKilled)', ready: 1, available: 1, since: Math.round(began - 5400)});
  for (const r of list) if (r.cluster === clusters[2] && r.namespace === 'infra') Object.assign(r, {phase: 'Unknown', reason: 'PartialData', message: 'kube_deployment_status_replicas_ready is missing', ready: null, available: null, evidenceAgeSeconds: 190});
  return list;
}

function clusterList() {
  const by = groupBy(rows(), 'cluster');
  return [...by].map(([cluster, list], i) => ({
    cluster, environment: i % 2 ? 'staging' : 'production', zone: `eu-${i % 3 + 1}`, state: i === 1 && scenario === 'large' ? 'silent' : i === 4 ? 'lagging' : 'fresh',
    lastArrivalSeconds: i === 1 && scenario === 'large' ? 4000 : 2 + i % 7, lagSeconds: 0.4 + i % 3, activeSeries: 1234 + i * 17,
    deployments: Object.fromEntries([...groupBy(list, 'phase')].map(([phase, l]) => [phase, l.length])),
  }));
}

const alertList = () => scenario === 'empty' ? [] : [
  {labels: {alertname: 'DeploymentStalled', cluster: 'shire', environment: 'production', namespace: 'shop', deployment: 'nginx', severity: 'critical', reason: 'ImagePullBackOff'},
   annotations: {summary: 'shop/nginx does not become ready in shire: ImagePullBackOff'}, state: 'firing', activeAt: new Date((began - 240) * 1000).toISOString(), value: '1e+00'},
  {labels: {alertname: 'DeploymentDegraded', cluster: 'rohan', environment: 'staging', namespace: 'shop', deployment: 'cart', severity: 'warning'},
   annotations: {summary: 'shop/cart lost pods in rohan'}, state: 'firing', activeAt: new Date((began - 5000) * 1000).toISOString(), value: '1e+00'},
  {labels: {alertname: 'HighCpu', cluster: 'gondor', instance: 'node-1:9100', severity: 'info'}, annotations: {}, state: 'pending', activeAt: new Date((began - 20) * 1000).toISOString(), value: '9.3e-01'},
];

const ruleGroups = () => scenario === 'empty' ? [] : [{name: 'aerie-deployments', file: 'aerie.yml', interval: 15, rules: [
  {type: 'alerting', name: 'DeploymentStalled', query: 'max by (cluster, namespace, deployment, reason) (aerie_deployment_phase{phase="Stalled"}) == 1', state: 'firing', duration: 60, health: 'ok', labels: {severity: 'critical'}, evaluationTime: 0.0004, lastEvaluation: new Date().toISOString(), alerts: []},
  {type: 'alerting', name: 'ClusterSilent', query: 'aerie_cluster_up == 0', state: 'inactive', duration: 0, health: 'ok', labels: {severity: 'critical'}, evaluationTime: 0.0002, lastEvaluation: new Date().toISOString(), alerts: []},
  {type: 'recording', name: 'cluster:cpu:rate5m', query: 'sum by (cluster) (rate(node_cpu_seconds_total{mode!="idle"}[5m]))', health: 'err', lastError: 'found duplicate series for the match group {instance="node-1"}', evaluationTime: 0.0031, lastEvaluation: new Date().toISOString()},
]}];

function query(params) {
  const expr = params.get('query') ?? '';
  if (expr.includes('error')) return {status: 400, error: 'invalid parameter "query": 1:5: parse error: unexpected identifier "error"'};
  const clusters = ['gondor', 'rohan', 'shire'];
  const value = (i, t) => String(2 + i + Math.sin(t / 300 + i) + Math.sin(t / 41 + i) / 5);
  const warnings = expr.includes('partial') ? ['cluster "shire" has sent nothing for 94 s: its part of the answer ends at 11:02:13'] : undefined;
  if (/^[\d+ ]+$/.test(expr)) return {data: {resultType: 'scalar', result: [Number(params.get('time')), '2']}};
  const metric = i => ({__name__: /^[a-z_]+$/i.test(expr) ? expr : 'up', cluster: clusters[i], instance: `node-${i}:9100`, job: 'node'});
  if (params.has('step')) {
    const [start, end, step] = ['start', 'end', 'step'].map(name => Number(params.get(name)));
    if (expr.startsWith('aerie_deployment_phase')) {
      const lane = (cluster, phase, from, to) => ({metric: {cluster, phase}, values: Array.from({length: 121}, (_, i) => [start + i * step, '1']).slice(from, to)});
      return {data: {resultType: 'matrix', result: [lane('gondor', 'Complete', 0, 121), lane('rohan', 'Complete', 0, 80), lane('rohan', 'Degraded', 80, 121), lane('shire', 'Complete', 0, 70),
        lane('shire', 'Progressing', 70, 84), lane('shire', 'Stalled', 84, 110), lane('shire', 'Unknown', 110, 121)]}};
    }
    const values = i => { const v = []; for (let t = start; t <= end; t += step) if (i !== 2 || t < end - (end - start) / 4) v.push([t, value(i, t)]); return v; };
    return {warnings, data: {resultType: 'matrix', result: clusters.map((_, i) => ({metric: metric(i), values: values(i)}))}};
  }
  return {warnings, data: {resultType: 'vector', result: clusters.map((_, i) => ({metric: metric(i), value: [Number(params.get('time')), value(i, 0)]}))}};
}

const kPhases = ['Stalled', 'Degraded', 'NotPropagated', 'Unknown', 'Progressing', 'NotDesired', 'Complete', 'Idle'];
const timeline = () => ['GenerationBumped', 'RolloutStarted', 'FirstPod', 'Stalled'].map((event, i) => (
  {number: i + 1, at: began - 400 + i * 40, event, cluster: 'shire', phase: i < 3 ? 'Progressing' : 'Stalled', reason: i < 3 ? 'RollingOut' : 'ImagePull/ImagePullBackOff', message: '', tookSeconds: i > 1 ? i * 40 : null}));

function api(name, params) {
  if (name === 'clusters') return {data: {clusters: clusterList()}};
  if (name === 'deployments') {
    const words = (params.get('q') ?? '').toLowerCase().split(/\s+/).filter(Boolean);
    const list = rows().filter(r => ['phase', 'cluster', 'namespace'].every(k => !params.get(k) || params.get(k).split(',').includes(r[k]))
      && words.every(w => `${r.namespace}/${r.name} ${r.cluster} ${r.phase}`.toLowerCase().includes(w)))
      .sort((a, b) => kPhases.indexOf(a.phase) - kPhases.indexOf(b.phase));
    return {data: {deployments: list.slice(0, Number(params.get('limit') || Infinity)), total: list.length}};
  }
  if (/^deployments\/[^/]+\/[^/]+\/timeline$/.test(name)) return {data: {events: timeline()}};
  const workload = /^deployments\/([^/]+)\/([^/]+)$/.exec(name);
  if (workload) {
    const list = rows().filter(r => r.namespace === workload[1] && r.name === workload[2]);
    if (!list.length) return {status: 404, type: 'not_found', error: 'no cluster has this deployment'};
    const sum = key => list.reduce((s, r) => s + (r[key] ?? 0), 0);
    return {data: {namespace: workload[1], name: workload[2], phase: list.find(r => r.phase !== 'Complete')?.phase ?? 'Complete', reason: '', desiredReplicas: sum('desired'), readyReplicas: sum('ready'), unknownReplicas: 0, drift: [{cluster: 'gondor', field: 'image', own: 'shop/nginx:1.26', most: 'shop/nginx:1.27'}],
      clusters: list.map(r => ({...r, created: r.ready, images: ['shop/nginx:1.27'], pods: r.ready < r.desired
        ? [{name: `${r.name}-7d9-x1z`, node: 'node-2', phase: 'Pending', ready: false, newest: true, reason: 'ImagePull/ImagePullBackOff', message: 'Back-off pulling image', restarts10m: 0}] : []}))}};
  }
  if (name === 'alerts') return {data: {alerts: alertList()}};
  if (name === 'rules') return {data: {groups: ruleGroups()}};
  if (name === 'query' || name === 'query_range') return query(params);
  if (name === 'labels') return {data: ['__name__', 'cluster', 'instance', 'job']};
  if (name === 'label/__name__/values') return {data: ['up', 'node_cpu_seconds_total', 'node_memory_MemAvailable_bytes', 'kube_deployment_status_replicas_ready', 'aerie_deployment_phase', 'ALERTS']};
  if (name.startsWith('label/')) return {data: ['gondor', 'rohan', 'shire']};
  if (name === 'metadata') return {data: {node_cpu_seconds_total: [{type: 'counter', help: 'Seconds the CPUs spent in each mode.', unit: ''}]}};
  if (name === 'series') return {data: [{__name__: 'up', cluster: 'gondor', instance: 'node-0:9100', job: 'node'}]};
  if (name === 'status/flags') return {data: {'query.lookback-delta': '5m'}};
  return {status: 404, type: 'not_found', error: 'no such endpoint'};
}

function file(response, name) {
  const where = path.join(dist, `${name}.gz`);
  if (!where.startsWith(dist) || !existsSync(where)) { response.writeHead(404).end('404 page not found\n'); return; }
  const nonce = randomBytes(16).toString('hex');
  const body = gunzipSync(readFileSync(where));
  response.writeHead(200, {'Content-Type': kMime[path.extname(name)], 'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': `default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; style-src 'self' 'nonce-${nonce}'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'`});
  response.end(name === 'index.html' ? body.toString().replaceAll('%NONCE%', nonce) : body);
}

http.createServer((request, response) => {
  let body = '';
  request.on('data', chunk => { body += chunk; });
  request.on('end', () => {
    const url = new URL(request.url, 'http://mock');
    const at = url.pathname.replace(/^\/prometheus(?=\/)/, '');
    if (!at.startsWith('/api/v1/')) { file(response, kPages.has(at) ? 'index.html' : at.slice(1)); return; }
    if (scenario === 'down') { response.writeHead(503).end('starting'); return; }
    if (at === '/api/v1/events/stream') {
      response.writeHead(200, {'Content-Type': 'text/event-stream'});
      const tell = () => response.write(`event: fleet\ndata: {"version":${Date.now()}}\n\n`);
      tell();
      const timer = setInterval(tell, 5_000);
      request.on('close', () => clearInterval(timer));
      return;
    }
    const params = new URLSearchParams(body || url.search);
    const {data, status = 200, type = 'bad_data', error, warnings} = api(at.slice(8), params);
    response.writeHead(status, {'Content-Type': 'application/json'});
    response.end(JSON.stringify(error ? {status: 'error', errorType: type, error} : {status: 'success', data, warnings}));
  });
}).listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${port}/ (${scenario}), process ${process.pid}`));
