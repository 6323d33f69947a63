#include <fmt/core.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "cli/commands.h"
#include "cli/workload_text.h"
#include "http/message.h"

namespace aerie::cli {

namespace {

constexpr std::chrono::seconds kAskAgain{1};

std::string path_of(const WorkloadName& workload) {
  return fmt::format("/api/v1/deployments/{}/{}", http::percent_encode(workload.workload_namespace),
                     http::percent_encode(workload.name));
}

Query query_of(const WorkloadName& workload) {
  Query query;
  if (!workload.kind.empty()) query.emplace_back("kind", workload.kind);
  return query;
}

}  // namespace

int run_describe(Api& api, const WorkloadName& workload) {
  const auto data = api.get(path_of(workload), query_of(workload));
  if (!data) {
    std::fprintf(stderr, "aeriectl: %s\n", data.error().message().c_str());
    return 1;
  }
  const auto timeline = api.get(path_of(workload) + "/timeline", query_of(workload));
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  std::fputs(describe_workload(*data, timeline ? *timeline : boost::json::value(), now).c_str(),
             stdout);
  return 0;
}

int run_rollout_status(Api& api, const WorkloadName& workload, const RolloutWait& wait) {
  const auto deadline = std::chrono::steady_clock::now() + wait.timeout;
  std::string last;
  while (true) {
    const auto data = api.get(path_of(workload), query_of(workload));
    RolloutProgress progress{data ? "" : data.error().message(), std::nullopt};
    if (data) progress = rollout_progress(*data, wait.clusters);
    if (progress.line != last) std::printf("%s\n", progress.line.c_str());
    std::fflush(stdout);
    last = progress.line;
    if (progress.exit_code) return *progress.exit_code;
    if (!wait.watch) return 3;
    if (wait.timeout.count() > 0 && std::chrono::steady_clock::now() + kAskAgain > deadline) {
      std::fprintf(stderr, "aeriectl: timed out: not known to be complete everywhere\n");
      return 3;
    }
    std::this_thread::sleep_for(kAskAgain);
  }
}

}  // namespace aerie::cli
