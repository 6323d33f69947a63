#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cli/api.h"
#include "cli/sender_snippets.h"

namespace aerie::cli {

/// How listings are printed: `-o table|wide|json|yaml|name`, `--no-headers`.
struct OutputOptions {
  std::string format = "table";
  bool headers = true;
};

// Each command prints to standard output, errors to standard error, and returns the exit code:
// 0 fine, 1 failed, 3 the checked file is wrong (as promtool has it).

struct InstantQuery {
  std::string expression;
  std::string time;  ///< float seconds or RFC 3339; empty: now
};
int run_instant_query(Api& api, const InstantQuery& query, const OutputOptions& output);

struct RangeQuery {
  std::string expression;
  std::string start;  ///< empty: an hour before end
  std::string end;    ///< empty: now
  std::string step;   ///< a duration or seconds; empty: a 250th of the range, at least 15 s
};
int run_range_query(Api& api, const RangeQuery& query, const OutputOptions& output);

/// What each part of a query costs, as a tree. A range query if `range.start`, `end` or `step` is
/// given.
struct ExplainQuery {
  RangeQuery range;
  std::string time;  ///< of an instant query
};
int run_explain_query(Api& api, const ExplainQuery& query, const OutputOptions& output);

int run_get_clusters(Api& api, const OutputOptions& output);

struct DeploymentFilter {
  std::string cluster;
  std::string deployment_namespace;
  std::string phase;
  std::string name;
  std::string kind;
  std::string reason;
  bool unhealthy = false;  ///< neither Complete nor Idle
  bool watch = false;      ///< goes on, printing rows that change, until it is interrupted
};
int run_get_deployments(Api& api, const DeploymentFilter& filter, const OutputOptions& output);

struct EventFilter {
  std::string cluster;
  std::string event_namespace;
  std::string name;
};
int run_get_events(Api& api, const EventFilter& filter, const OutputOptions& output);

struct WorkloadName {
  std::string workload_namespace = "default";
  std::string name;
  std::string kind;  ///< empty: Deployment
};
/// All clusters side by side, causes, drift and the last events.
int run_describe(Api& api, const WorkloadName& workload);

struct RolloutWait {
  std::vector<std::string> clusters;  ///< empty: all
  std::chrono::seconds timeout{0};    ///< 0: none
  bool watch = true;                  ///< false: says how it stands and returns
};
/// Waits until the rollout is over. 0: complete everywhere; 1: stalled, degraded or not propagated
/// somewhere; 3: not known to be complete when the time is over.
int run_rollout_status(Api& api, const WorkloadName& workload, const RolloutWait& wait);

/// Makes a snapshot and prints where it is. Needs `--web.enable-admin-api`.
int run_snapshot(Api& api, const std::string& skip_head);

/// Reads everything stored at `path`, which no aerie has open. 3: something is damaged.
int run_check_store(const std::string& path);
/// The same, done by the running aerie.
int run_check_running(Api& api);

int run_check_config(const std::vector<std::string>& files);
int run_check_rules(const std::vector<std::string>& files);

/// Prints what a member cluster puts into its own configuration.
int run_generate(const std::string& kind, const SenderOptions& options);

struct TokenCommand {
  std::string cluster;
  std::string config_file;  ///< aerie's; empty for create: nothing is changed
  std::string token;        ///< for revoke: the token itself or `sha256:HEX`
};
/// Prints a new token on standard output and, with a file, adds its hash to it.
int run_create_token(const TokenCommand& command);
int run_revoke_token(const TokenCommand& command);

}  // namespace aerie::cli
