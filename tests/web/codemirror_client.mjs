// The client with which Prometheus's PromQL editor completes names, against aerie's API: both methods, GET and POST.
//   node codemirror_client.mjs NODE_MODULES PROMQL_SERVE SCRIPT
import assert from "node:assert";
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";

const [modules, serve, script] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(modules), "x.js"));
const { CachedPrometheusClient, HTTPPrometheusClient } = require("@prometheus-io/codemirror-promql/dist/cjs/client/prometheus.js");

const base = Math.floor(Date.now() / 1000) - 3600;
const server = spawn(serve, [`--script=${script}`, `--base-seconds=${base}`], { stdio: ["pipe", "pipe", "inherit"] });
const port = await new Promise((resolve) => server.stdout.once("data", (data) => resolve(parseInt(data.toString(), 10))));

try {
  for (const httpMethod of ["POST", "GET"]) {
    const errors = [];
    const client = new HTTPPrometheusClient({
      url: `http://127.0.0.1:${port}`, httpMethod, lookbackInterval: 12 * 3600 * 1000, httpErrorHandler: (error) => errors.push(error),
    });
    const names = await client.metricNames();
    assert(names.includes("up") && names.includes("demo_num_cpus"), `metric names: ${names}`);
    assert.deepEqual((await client.labelNames("up")).includes("instance"), true);
    const instances = await client.labelValues("instance", "demo_num_cpus");
    assert.deepEqual(instances, [...instances].sort());
    assert(instances.length > 0);
    const series = await client.series("demo_num_cpus");
    assert(series.length > 0 && series.every((labels) => labels.__name__ === "demo_num_cpus"), JSON.stringify(series).slice(0, 200));
    assert.equal(typeof (await client.metricMetadata()), "object");
    assert.equal(typeof (await client.flags()), "object");
    const cached = new CachedPrometheusClient(client);
    assert.deepEqual(await cached.labelValues("__name__"), names);
    assert.deepEqual(errors, []);
    console.log(`${httpMethod}: ${names.length} metric names, ${series.length} series`);
  }
} finally {
  server.stdin.end();
}
