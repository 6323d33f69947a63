// aeriectl: asks a running aerie and checks files, with promtool's verbs and kubectl's tables.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/import_command.h"
#include "model/time.h"
#include "server/flags.h"

namespace {

using namespace aerie::cli;

struct Arguments {
  std::string url = "http://localhost:9707";
  OutputOptions output;
  bool no_headers = false;
  std::vector<std::string> positionals;
  InstantQuery instant;
  RangeQuery range;
  ExplainQuery explain;
  DeploymentFilter deployments;
  EventFilter events;
  WorkloadName workload;
  RolloutWait rollout;
  std::string target;  // NAME or KIND/NAME
  std::string timeout;
  std::vector<std::string> files;
  std::string path;
  bool skip_head = false;
  ImportOptions import;
  std::string import_file;
  RemoteReadSource remote_read;
  std::string sender_kind;
  SenderOptions sender;
  TokenCommand token;
};

/// promtool puts the server before the expression; both `query instant EXPR` and `query instant URL
/// EXPR` are understood.
std::string take_expression(Arguments& arguments) {
  if (arguments.positionals.size() == 2) arguments.url = arguments.positionals.front();
  return arguments.positionals.back();
}

void add_output(CLI::App* command, Arguments& arguments) {
  command->add_option("-o,--output", arguments.output.format, "table, wide, json, yaml or name.")
      ->check(CLI::IsMember({"table", "wide", "json", "yaml", "name", "promql"}))
      ->capture_default_str();
  command->add_flag("--no-headers", arguments.no_headers, "Leave the header line out.");
}

void add_explain(CLI::App& query, Arguments& arguments, std::function<int(Api&)>& action) {
  CLI::App* explain = query.add_subcommand(
      "explain", "What each part of a query costs: aeriectl query explain 'sum(up)'");
  explain->add_option("expression", arguments.positionals, "[URL] EXPRESSION")
      ->required()
      ->expected(1, 2);
  explain->add_option("--time", arguments.explain.time, "Of an instant query. Default: now.");
  explain->add_option("--start", arguments.explain.range.start, "Explains a range query.");
  explain->add_option("--end", arguments.explain.range.end, "Default: now.");
  explain->add_option("--step", arguments.explain.range.step,
                      "Default: a 250th of the range, at least 15 s.");
  add_output(explain, arguments);
  explain->callback([&] {
    arguments.explain.range.expression = take_expression(arguments);
    action = [&](Api& api) { return run_explain_query(api, arguments.explain, arguments.output); };
  });
}

void add_query(CLI::App& app, Arguments& arguments, std::function<int(Api&)>& action) {
  CLI::App* query = app.add_subcommand("query", "Evaluate PromQL on the server.");
  query->require_subcommand(1);
  CLI::App* instant =
      query->add_subcommand("instant", "At one time: aeriectl query instant 'up == 0'");
  instant->add_option("expression", arguments.positionals, "[URL] EXPRESSION")
      ->required()
      ->expected(1, 2);
  instant->add_option("--time", arguments.instant.time,
                      "Evaluation time, float seconds or RFC 3339. Default: now.");
  add_output(instant, arguments);
  instant->callback([&] {
    arguments.instant.expression = take_expression(arguments);
    action = [&](Api& api) { return run_instant_query(api, arguments.instant, arguments.output); };
  });
  CLI::App* range = query->add_subcommand(
      "range", "Over time: aeriectl query range --step=1m 'rate(x_total[5m])'");
  range->add_option("expression", arguments.positionals, "[URL] EXPRESSION")
      ->required()
      ->expected(1, 2);
  range->add_option("--start", arguments.range.start, "Default: an hour before the end.");
  range->add_option("--end", arguments.range.end, "Default: now.");
  range->add_option("--step", arguments.range.step,
                    "Default: a 250th of the range, at least 15 s.");
  add_output(range, arguments);
  range->callback([&] {
    arguments.range.expression = take_expression(arguments);
    action = [&](Api& api) { return run_range_query(api, arguments.range, arguments.output); };
  });
  add_explain(*query, arguments, action);
}

/// `nginx`, `deployment/nginx` or, after a kind of its own, `nginx`.
void take_workload(Arguments& arguments) {
  const std::string& last = arguments.positionals.back();
  const size_t slash = last.find('/');
  arguments.workload.name = slash == std::string::npos ? last : last.substr(slash + 1);
  arguments.workload.kind = slash == std::string::npos ? "" : last.substr(0, slash);
  if (arguments.positionals.size() == 2) arguments.workload.kind = arguments.positionals.front();
  if (arguments.workload.kind == "deploy") arguments.workload.kind = "deployment";
}

void add_describe(CLI::App& app, Arguments& arguments, std::function<int(Api&)>& action) {
  CLI::App* describe = app.add_subcommand(
      "describe",
      "One workload in all clusters, why, and what happened: aeriectl describe deployment nginx -n "
      "shop");
  describe->add_option("workload", arguments.positionals, "[KIND] NAME or KIND/NAME")
      ->required()
      ->expected(1, 2);
  describe->add_option("-n,--namespace", arguments.workload.workload_namespace)
      ->capture_default_str();
  describe->callback([&] {
    take_workload(arguments);
    action = [&](Api& api) { return run_describe(api, arguments.workload); };
  });
}

void add_rollout(CLI::App& app, Arguments& arguments, std::function<int(Api&)>& action) {
  CLI::App* rollout = app.add_subcommand("rollout", "Follow rollouts over all clusters.");
  rollout->require_subcommand(1);
  CLI::App* status = rollout->add_subcommand(
      "status",
      "Wait until it is over: aeriectl rollout status deployment/nginx -n shop --timeout 10m. Exit "
      "code 0: complete everywhere, 1: stalled or degraded, 3: not known to be complete.");
  status->add_option("workload", arguments.positionals, "[KIND] NAME or KIND/NAME")
      ->required()
      ->expected(1, 2);
  status->add_option("-n,--namespace", arguments.workload.workload_namespace)
      ->capture_default_str();
  status->add_option("--clusters", arguments.rollout.clusters, "Only these. Default: all.")
      ->delimiter(',');
  status->add_option("--timeout", arguments.timeout, "For example 10m. Default: none.");
  status->add_flag("--watch,!--no-watch", arguments.rollout.watch, "Default: wait.");
  status->callback([&] {
    take_workload(arguments);
    if (arguments.rollout.clusters == std::vector<std::string>{"all"})
      arguments.rollout.clusters.clear();
    if (!arguments.timeout.empty()) {
      const auto span = aerie::model::parse_duration(arguments.timeout);
      if (!span) throw CLI::ValidationError("--timeout", span.error().message());
      arguments.rollout.timeout =
          std::chrono::duration_cast<std::chrono::seconds>(std::chrono::milliseconds(*span));
    }
    action = [&](Api& api) {
      return run_rollout_status(api, arguments.workload, arguments.rollout);
    };
  });
}

void add_get_events(CLI::App& get, Arguments& arguments, std::function<int(Api&)>& action) {
  CLI::App* events = get.add_subcommand("events", "What happened to workloads, newest last.");
  events->add_option("--cluster", arguments.events.cluster, "Only this cluster.");
  events->add_option("-n,--namespace", arguments.events.event_namespace, "Only this namespace.");
  events->add_option("name", arguments.events.name, "Only workloads of this name.");
  add_output(events, arguments);
  events->callback([&] {
    action = [&](Api& api) { return run_get_events(api, arguments.events, arguments.output); };
  });
}

void add_get(CLI::App& app, Arguments& arguments, std::function<int(Api&)>& action) {
  CLI::App* get = app.add_subcommand("get", "List what the fleet looks like.");
  get->require_subcommand(1);
  CLI::App* clusters =
      get->add_subcommand("clusters", "Clusters with freshness and deployments by phase.");
  clusters->alias("cluster");
  add_output(clusters, arguments);
  clusters->callback(
      [&] { action = [&](Api& api) { return run_get_clusters(api, arguments.output); }; });
  CLI::App* deployments = get->add_subcommand(
      "deployments",
      "Whether Deployments became Pods, worst first: aeriectl get deployments --unhealthy");
  deployments->alias("deployment")->alias("deploy");
  deployments->add_option("name", arguments.deployments.name, "Only Deployments of this name.");
  deployments->add_option("--cluster", arguments.deployments.cluster, "Only this cluster.");
  deployments->add_option("-n,--namespace", arguments.deployments.deployment_namespace,
                          "Only this namespace.");
  deployments->add_option("--phase", arguments.deployments.phase,
                          "Only this phase, for example Stalled.");
  deployments->add_option("--kind", arguments.deployments.kind, "For example StatefulSet.");
  deployments->add_option("--reason", arguments.deployments.reason, "For example ImagePull.");
  deployments->add_flag("-w,--watch", arguments.deployments.watch, "Go on, printing what changes.");
  deployments->add_flag("--unhealthy", arguments.deployments.unhealthy,
                        "Leave Complete and Idle out.");
  add_output(deployments, arguments);
  deployments->callback([&] {
    action = [&](Api& api) {
      return run_get_deployments(api, arguments.deployments, arguments.output);
    };
  });
  add_get_events(*get, arguments, action);
}

void add_check(CLI::App& app, Arguments& arguments, std::function<int(Api&)>& action) {
  CLI::App* check = app.add_subcommand(
      "check", "Check files before the server reads them, or what it stored. Exit code 3: wrong.");
  check->require_subcommand(0, 1);
  check->add_option("path", arguments.path, "A storage path: the same as check store PATH.");
  check->callback([&, check] {
    if (!check->get_subcommands().empty()) return;
    if (arguments.path.empty()) throw CLI::RequiredError("PATH or a subcommand");
    action = [&](Api&) { return run_check_store(arguments.path); };
  });
  CLI::App* config = check->add_subcommand("config", "Configuration files of aerie.");
  config->add_option("files", arguments.files)->required();
  config->callback([&] { action = [&](Api&) { return run_check_config(arguments.files); }; });
  CLI::App* stored = check->add_subcommand(
      "store", "What a stopped aerie has stored: checksums, counts, indexes, every sample.");
  stored->add_option("path", arguments.path, "The --storage.path, or a snapshot.")->required();
  stored->callback([&] { action = [&](Api&) { return run_check_store(arguments.path); }; });
  CLI::App* running = check->add_subcommand(
      "running", "The same by the running aerie (--web.enable-admin-api), at full speed.");
  running->callback([&] { action = [&](Api& api) { return run_check_running(api); }; });
  CLI::App* rules = check->add_subcommand("rules", "Prometheus rule files.");
  rules->add_option("files", arguments.files)->required();
  rules->callback([&] { action = [&](Api&) { return run_check_rules(arguments.files); }; });
}

void add_import_options(CLI::App* command, Arguments& arguments) {
  ImportOptions& options = arguments.import;
  command->add_option("--label", options.labels,
                      "name=value for series that do not have the name; may be repeated.");
  command->add_option("--bearer-token-file", options.bearer_token_file,
                      "The cluster's token, when the server asks for one.");
  command->add_option("--progress", options.progress_file,
                      "Where to note how far it came. Default: a file in the working directory.");
  command->add_flag("--keep-going", options.keep_going,
                    "Go on when samples are refused, for example because newer ones exist.");
}

void add_import(CLI::App& app, Arguments& arguments, std::function<int(Api&)>& action) {
  CLI::App* import = app.add_subcommand(
      "import", "Send history to the server. Interrupted imports go on where they stopped.");
  import->require_subcommand(1);
  CLI::App* openmetrics = import->add_subcommand(
      "openmetrics", "A text file with timestamps: aeriectl import openmetrics old.txt");
  openmetrics->add_option("file", arguments.import_file)->required();
  add_import_options(openmetrics, arguments);
  openmetrics->callback([&] {
    action = [&](Api& api) {
      arguments.import.url = api.base_url();
      return run_import_openmetrics(arguments.import_file, arguments.import);
    };
  });
  CLI::App* remote = import->add_subcommand(
      "remote-read",
      "What a Prometheus holds: aeriectl import remote-read http://prom:9090 --from 15d");
  RemoteReadSource& source = arguments.remote_read;
  remote->add_option("url", source.url, "The Prometheus.")->required();
  remote->add_option("--from", source.from, "RFC 3339, seconds, or a duration before now.")
      ->required();
  remote->add_option("--to", source.to, "The same. Default: now.");
  remote->add_option("--match", source.selectors,
                     "Only these series, for example '{job=\"node\"}'; may be repeated.");
  remote->add_option("--window", source.window, "How much is asked at once.")
      ->capture_default_str();
  add_import_options(remote, arguments);
  remote->callback([&] {
    action = [&](Api& api) {
      arguments.import.url = api.base_url();
      return run_import_remote_read(arguments.remote_read, arguments.import);
    };
  });
}

void add_gen(CLI::App& app, Arguments& arguments, std::function<int(Api&)>& action) {
  CLI::App* gen = app.add_subcommand(
      "gen", "Print what a member cluster needs: aeriectl gen prometheus-operator prod-eu-1");
  gen->add_option("kind", arguments.sender_kind, "remote-write, prometheus-operator or vmagent.")
      ->required()
      ->check(CLI::IsMember({"remote-write", "prometheus-operator", "vmagent"}));
  SenderOptions& sender = arguments.sender;
  gen->add_option("cluster", sender.cluster, "Its name.")->required();
  gen->add_option("--to", sender.aerie_url, "Where the cluster reaches aerie.")
      ->capture_default_str();
  gen->add_option("--token", sender.token, "The cluster's token, see aeriectl token create.");
  gen->add_option("--environment", sender.environment, "For example production.");
  gen->add_option("--zone", sender.zone, "For example eu-1.");
  gen->add_flag("--version2", sender.version2, "Remote-Write 2.0, which Prometheus 3 can send.");
  gen->add_flag("--filter-kube", sender.filter_kube,
                "Of kube-state-metrics send only what aerie judges Deployments by.");
  gen->callback([&] {
    action = [&](Api&) { return run_generate(arguments.sender_kind, arguments.sender); };
  });
}

void add_token_commands(CLI::App& app, Arguments& arguments, std::function<int(Api&)>& action) {
  CLI::App* token = app.add_subcommand("token", "Credentials of member clusters.");
  token->require_subcommand(1);
  CLI::App* create = token->add_subcommand(
      "create", "Make a token: aeriectl token create prod-eu-1 --config.file aerie.yml");
  create->add_option("cluster", arguments.token.cluster)->required();
  create->add_option("--config.file", arguments.token.config_file,
                     "aerie's configuration, to which its hash is added.");
  create->callback([&] { action = [&](Api&) { return run_create_token(arguments.token); }; });
  CLI::App* revoke = token->add_subcommand("revoke", "Take a token out of the configuration.");
  revoke->add_option("cluster", arguments.token.cluster)->required();
  revoke->add_option("token", arguments.token.token, "The token, or sha256:HEX.")->required();
  revoke->add_option("--config.file", arguments.token.config_file, "aerie's configuration.")
      ->required();
  revoke->callback([&] { action = [&](Api&) { return run_revoke_token(arguments.token); }; });
}

void add_snapshot(CLI::App& app, Arguments& arguments, std::function<int(Api&)>& action) {
  CLI::App* snapshot = app.add_subcommand(
      "snapshot", "Make a copy of everything stored, by hard links (--web.enable-admin-api).");
  snapshot->add_flag("--skip-head", arguments.skip_head, "Leave out what is not sealed yet.");
  snapshot->callback([&] {
    action = [&](Api& api) { return run_snapshot(api, arguments.skip_head ? "true" : "false"); };
  });
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  std::function<int(Api&)> action;
  CLI::App app(
      "aeriectl asks a running aerie.\n\nExamples:\n"
      "  aeriectl get clusters\n"
      "  aeriectl get deployments --unhealthy -o wide\n"
      "  aeriectl describe deployment nginx -n shop\n"
      "  aeriectl rollout status deployment/nginx -n shop --timeout 10m\n"
      "  aeriectl query instant 'sum by (cluster) (rate(node_cpu_seconds_total[5m]))'\n"
      "  aeriectl check rules rules.yml\n"
      "  aeriectl gen remote-write prod-eu-1 --token \"$(aeriectl token create prod-eu-1)\"\n",
      "aeriectl");
  app.set_version_flag("--version",
                       "aeriectl, version " + std::string(aerie::server::version_number()));
  app.add_option("--url", arguments.url, "Where aerie is.")
      ->envname("AERIE_URL")
      ->capture_default_str();
  app.require_subcommand(1);
  add_query(app, arguments, action);
  add_get(app, arguments, action);
  add_describe(app, arguments, action);
  add_rollout(app, arguments, action);
  add_check(app, arguments, action);
  add_snapshot(app, arguments, action);
  add_import(app, arguments, action);
  add_gen(app, arguments, action);
  add_token_commands(app, arguments, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {  // --help, --version
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    app.exit(error);
    return 2;
  }
  arguments.output.headers = !arguments.no_headers;
  Api api(arguments.url);
  return action(api);
}
