// Kills a writer exactly between two durable changes, at every named step of the store in turn, and
// compares what is there afterwards with what was acknowledged. crash_steps WRITER ROUNDS
// AERIE_CRASH_ROUNDS overrides ROUNDS, AERIE_SEED replays a run, AERIE_CRASH_STEP is one step only.

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/log.h"
#include "store/check.h"
#include "tests/crash/ledger.h"
#include "tests/crash/workload.h"
#include "tests/crash/writer_process.h"

namespace {

using namespace aerie;

struct Step {
  const char* name;
  int often;  // how many times it is about to be reached within a second
};
// docs/faults.md says what each of them is.
constexpr Step kSteps[] = {
    {"log-file", 8},
    {"log-header", 8},
    {"log-open", 8},
    {"log-written", 300},
    {"log-synced", 300},
    {"log-rolled", 8},
    {"log-trim", 6},
    {"log-settled", 4},
    {"seal-cut", 8},
    {"build", 20},
    {"ingest", 10},
    {"seal-committed", 8},
    {"seal-trimmed", 6},
    {"delete-index", 3},
    {"delete-data", 3},
    {"remove.index_gone", 3},
    {"merge.files_built", 2},
    {"merge.committed", 2},
    {"merge.parts_removed", 2},
    {"snapshot-log", 3},
    {"snapshot-db", 3},
    {"snapshot-named", 3},
};
constexpr int kRoundsPerStore = 10;

model::TimestampMs newest_sent(const crash::Workload& workload, const crash::Ledger& ledger) {
  size_t steps = 0;
  for (const auto& mine : ledger.steps) steps = std::max(steps, mine.size());
  return workload.first_time + static_cast<model::DurationMs>(steps) * crash::kStepMs;
}

/// A snapshot that has its name is whole, whenever the process ended.
bool snapshots_are_sound(const std::string& path) {
  std::error_code none;
  store::PosixFileSystem files;
  bool sound = true;
  for (const auto& entry : std::filesystem::directory_iterator(path + "/snapshots", none)) {
    if (entry.path().extension() == ".tmp") continue;
    const auto report = store::check_store(entry.path().string(), files);
    if (report && report->sound()) continue;
    std::printf("snapshot %s: %s\n", entry.path().c_str(),
                report ? report->text().c_str() : report.error().message().c_str());
    sound = false;
  }
  return sound;
}

int run(const std::string& writer, int rounds) {
  const char* given = std::getenv("AERIE_SEED");
  const uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("rounds=%d AERIE_SEED=%llu\n", rounds, static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  const crash::Workload workload{seed, 1'700'000'000'000};
  std::string root = (std::filesystem::temp_directory_path() / "aerie-steps-XXXXXX").string();
  if (::mkdtemp(root.data()) == nullptr) return 2;
  const char* only = std::getenv("AERIE_CRASH_STEP");
  crash::Ledger ledger;
  std::string path;
  std::map<std::string, int> kills;
  for (int round = 0; round < rounds; ++round) {
    if (round % kRoundsPerStore == 0) {
      if (!path.empty()) std::filesystem::remove_all(path);
      path = root + "/" + std::to_string(round);
      ledger = {};
    }
    const Step& step = kSteps[static_cast<size_t>(round) % std::size(kSteps)];
    const std::string name = only != nullptr ? only : step.name;
    const int nth = 1 + static_cast<int>(random() % static_cast<uint64_t>(step.often));
    std::vector<std::string> arguments = {writer,
                                          path,
                                          std::to_string(seed),
                                          std::to_string(workload.first_time),
                                          std::to_string(1 + random() % 30),
                                          "at:" + name + ":" + std::to_string(nth)};
    for (const auto& steps : ledger.steps) arguments.push_back(std::to_string(steps.size()));
    const std::chrono::milliseconds at_most(5'000);
    const crash::End end = crash::run_writer(arguments, at_most, 2 * at_most, ledger);
    if (end == crash::End::KilledItself) ++kills[name];
    const crash::Findings findings = crash::check_store(
        path, workload, ledger, newest_sent(workload, ledger) - crash::kRetention);
    crash::print(round, arguments[5] + (end == crash::End::KilledItself ? "" : " (not reached)"),
                 findings);
    if (end != crash::End::Exited && findings.clean() && snapshots_are_sound(path)) continue;
    std::printf("FAILED%s; the store is in %s\n",
                end == crash::End::Exited ? ": the writer ended by itself" : "", path.c_str());
    return 1;
  }
  std::filesystem::remove_all(root);
  int missed = 0;
  for (const Step& step : kSteps) {
    const bool wanted = only == nullptr && rounds >= 2 * static_cast<int>(std::size(kSteps));
    if (wanted && kills[step.name] == 0) ++missed;
    std::printf("%s: killed %d times\n", step.name, kills[step.name]);
  }
  std::printf(missed == 0 ? "ok\n" : "FAILED: steps that were never reached\n");
  return missed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  configure_log(LogLevel::Warn, LogFormat::Logfmt);
  const char* rounds = std::getenv("AERIE_CRASH_ROUNDS");
  return run(argv[1], std::atoi(rounds != nullptr ? rounds : argv[2]));
}
