// Starts the writer, kills it at a random moment, reopens the store and compares it with what the
// writer said was acknowledged. crash_check WRITER MODE ROUNDS [--expect-loss] MODE: kill (real
// files), power-cut (unsynced log writes die with the process), and two that are broken on purpose
// and must be found out: ack-before-sync, forget-seal. AERIE_CRASH_ROUNDS overrides ROUNDS,
// AERIE_SEED replays a run.

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "base/log.h"
#include "tests/crash/ledger.h"
#include "tests/crash/workload.h"
#include "tests/crash/writer_process.h"

namespace {

using namespace aerie;

constexpr int kRoundsPerStore = 10;  // then a fresh one, so that a round's check stays quick

struct Run {
  std::string writer;
  std::string mode;
  int rounds = 0;
  bool expect_loss = false;
};

int run(const Run& options) {
  const char* given = std::getenv("AERIE_SEED");
  const uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("mode=%s rounds=%d AERIE_SEED=%llu\n", options.mode.c_str(), options.rounds,
              static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  const crash::Workload workload{seed, 1'700'000'000'000};
  std::string root = (std::filesystem::temp_directory_path() / "aerie-crash-XXXXXX").string();
  if (::mkdtemp(root.data()) == nullptr) return 2;
  uint64_t acknowledged = 0;
  bool failed = false;
  crash::Ledger ledger;
  std::string path;
  for (int round = 0; round < options.rounds && !failed; ++round) {
    if (round % kRoundsPerStore == 0) {
      if (!path.empty()) std::filesystem::remove_all(path);
      path = root + "/" + std::to_string(round);
      ledger = {};
    }
    // Half of the rounds seal all the time; one in eight is killed while it opens.
    const int flush_every_ms = random() % 2 == 0 ? 1 + static_cast<int>(random() % 40) : 0;
    const bool while_opening = round % kRoundsPerStore != 0 && random() % 8 == 0;
    const std::chrono::milliseconds after(while_opening         ? 0
                                          : options.expect_loss ? 200 + random() % 200
                                                                : 1 + random() % 400);
    const std::chrono::milliseconds at_most(while_opening ? 1 + random() % 60 : 20'000);
    std::vector<std::string> arguments = {
        options.writer,
        path,
        std::to_string(seed),
        std::to_string(workload.first_time),
        std::to_string(options.mode == "forget-seal" ? 15 : flush_every_ms),
        options.mode};
    for (const auto& steps : ledger.steps) arguments.push_back(std::to_string(steps.size()));
    if (crash::run_writer(arguments, after, at_most, ledger) != crash::End::Killed) {
      std::printf("round %d: the writer ended by itself\n", round);
      failed = true;
      break;
    }
    const crash::Findings findings = crash::check_store(path, workload, ledger);
    acknowledged += findings.acknowledged;
    crash::print(round,
                 "flush_every_ms=" + std::to_string(flush_every_ms) + " killed_after_ms=" +
                     std::to_string(while_opening ? -at_most.count() : after.count()),
                 findings);
    if (options.expect_loss && findings.lost > 0) {
      std::printf("found out, as it must be\n");
      std::filesystem::remove_all(root);
      return 0;
    }
    failed = !findings.clean();
  }
  if (failed || options.expect_loss) {
    std::printf("%s; the store is in %s\n",
                failed ? "FAILED" : "FAILED: the broken store was not found out", root.c_str());
    return 1;
  }
  std::filesystem::remove_all(root);
  std::printf("ok\n");
  return acknowledged > 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  Run options{argv[1], argv[2], std::atoi(argv[3]),
              argc > 4 && std::string(argv[4]) == "--expect-loss"};
  if (const char* rounds = std::getenv("AERIE_CRASH_ROUNDS");
      rounds != nullptr && !options.expect_loss) {
    options.rounds = std::atoi(rounds);
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  configure_log(LogLevel::Warn, LogFormat::Logfmt);
  return run(options);
}
