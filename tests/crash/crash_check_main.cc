// Starts the writer, kills it at a random moment, reopens the store and compares it with what the
// writer said was acknowledged. crash_check WRITER MODE ROUNDS [--expect-loss] MODE: kill (real
// files), power-cut (unsynced log writes die with the process), and two that are broken on purpose
// and must be found out: ack-before-sync, forget-seal. AERIE_CRASH_ROUNDS overrides ROUNDS,
// AERIE_SEED replays a run.

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "store/store.h"
#include "tests/crash/workload.h"

namespace {

using namespace aerie;
using Clock = std::chrono::steady_clock;

constexpr int kRoundsPerStore = 10;  // then a fresh one, so that a round's check stays quick

enum class Fate : uint8_t { InDoubt, Acknowledged, Lost };

/// What must, may and must not be in the store.
struct Ledger {
  std::array<std::vector<Fate>, crash::kThreads> steps;

  void read_line(const std::string& line) {
    char kind = 0;
    int thread = 0;
    long long step = 0;
    if (std::sscanf(line.c_str(), "%c %d %lld", &kind, &thread, &step) != 3)
      return;  // cut by the kill
    auto& mine = steps.at(static_cast<size_t>(thread));
    if (kind == 'S') mine.resize(static_cast<size_t>(step) + 1, Fate::InDoubt);
    if (kind == 'A') mine.at(static_cast<size_t>(step)) = Fate::Acknowledged;
  }
};

struct Findings {
  uint64_t samples = 0;
  uint64_t acknowledged = 0;
  uint64_t lost = 0;
  uint64_t wrong = 0;     // there, with another value
  uint64_t invented = 0;  // there, but never sent, refused for good, or twice
};

struct Writer {
  pid_t pid = 0;
  int out = -1;
};

Writer start(const std::vector<std::string>& arguments) {
  int ends[2];
  if (::pipe(ends) != 0) std::exit(2);
  Writer writer;
  writer.pid = ::fork();
  if (writer.pid == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    std::vector<char*> argv;
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    std::_Exit(127);
  }
  ::close(ends[1]);
  writer.out = ends[0];
  return writer;
}

/// Reads the writer's lines, kills it `after` its first one (or after `at_most`, while it still
/// opens), reads the rest. Returns false if it ended by itself.
bool run_and_kill(const Writer& writer, std::chrono::milliseconds after,
                  std::chrono::milliseconds at_most, Ledger& ledger) {
  std::string rest;
  auto deadline = Clock::now() + at_most;
  bool first = true;
  bool killed = false;
  char buffer[1 << 16];
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (!killed && left <= 0) {
      ::kill(writer.pid, SIGKILL);
      killed = true;
    }
    pollfd poll_for{writer.out, POLLIN, 0};
    if (::poll(&poll_for, 1, killed ? -1 : static_cast<int>(left > 0 ? left : 0)) == 0) continue;
    const ssize_t n = ::read(writer.out, buffer, sizeof(buffer));
    if (n <= 0) break;
    if (first && after.count() > 0) deadline = Clock::now() + after;
    first = false;
    rest.append(buffer, static_cast<size_t>(n));
    size_t begin = 0;
    for (size_t end = rest.find('\n'); end != std::string::npos; end = rest.find('\n', begin)) {
      ledger.read_line(rest.substr(begin, end - begin));
      begin = end + 1;
    }
    rest.erase(0, begin);
  }
  ::close(writer.out);
  int status = 0;
  ::waitpid(writer.pid, &status, 0);
  return killed && WIFSIGNALED(status);
}

/// Compares the whole store with the ledger. What was in doubt is settled by what is found: it must
/// stay so.
Findings check(const std::string& path, uint64_t seed, Ledger& ledger) {
  Findings findings;
  SystemClock clock;
  MetricRegistry metrics;
  store::PosixFileSystem files;
  auto store = store::Store::open(crash::store_options(path), clock, files, metrics);
  if (!store) {
    std::printf("reopening failed: %s\n", store.error().message().c_str());
    findings.lost = 1;
    return findings;
  }
  std::map<std::string, std::map<model::TimestampMs, uint64_t>> found;
  auto selection = (*store)->select({}, {});
  if (!selection) std::exit(2);
  model::SeriesSamples samples;
  for (size_t i = 0; i < (*selection)->size(); ++i) {
    if (!(*selection)->read(i, {}, samples)) std::exit(2);
    auto& mine = found[(*selection)->labels(i).encoded()];
    for (size_t s = 0; s < samples.values.size(); ++s) {
      const bool fresh =
          mine.emplace(samples.timestamps[s], std::bit_cast<uint64_t>(samples.values[s])).second;
      if (!fresh) ++findings.invented;
    }
    findings.samples += samples.values.size();
  }
  for (int thread = 0; thread < crash::kThreads; ++thread) {
    auto& steps = ledger.steps[static_cast<size_t>(thread)];
    for (size_t step = 0; step < steps.size(); ++step) {
      const auto batch = crash::batch_of(seed, thread, static_cast<int64_t>(step));
      size_t there = 0;
      for (const crash::Expected& one : batch) {
        auto& series = found[one.labels.encoded()];
        const auto at = series.find(one.t);
        if (at == series.end()) continue;
        ++there;
        if (at->second != std::bit_cast<uint64_t>(one.value)) ++findings.wrong;
        series.erase(at);
      }
      if (steps[step] == Fate::Acknowledged) {
        findings.acknowledged += batch.size();
        findings.lost += batch.size() - there;
      } else if (steps[step] == Fate::Lost) {
        findings.invented += there;
      } else {
        if (there != 0 && there != batch.size())
          findings.wrong += there;  // a batch is applied whole or not at all
        steps[step] = there != 0 ? Fate::Acknowledged : Fate::Lost;
      }
    }
  }
  for (const auto& [labels, rest] : found) findings.invented += rest.size();
  if (!(*store)->close()) std::exit(2);
  return findings;
}

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
  std::string root = (std::filesystem::temp_directory_path() / "aerie-crash-XXXXXX").string();
  if (::mkdtemp(root.data()) == nullptr) return 2;
  uint64_t acknowledged = 0;
  bool failed = false;
  Ledger ledger;
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
        options.writer, path, std::to_string(seed),
        std::to_string(options.mode == "forget-seal" ? 15 : flush_every_ms), options.mode};
    for (const auto& steps : ledger.steps) arguments.push_back(std::to_string(steps.size()));
    if (!run_and_kill(start(arguments), after, at_most, ledger)) {
      std::printf("round %d: the writer ended by itself\n", round);
      failed = true;
      break;
    }
    const Findings findings = check(path, seed, ledger);
    acknowledged += findings.acknowledged;
    std::printf(
        "round %d: flush_every_ms=%d killed_after_ms=%lld samples=%llu acknowledged=%llu LOST=%llu "
        "WRONG=%llu INVENTED=%llu\n",
        round, flush_every_ms,
        static_cast<long long>(while_opening ? -at_most.count() : after.count()),
        static_cast<unsigned long long>(findings.samples),
        static_cast<unsigned long long>(findings.acknowledged),
        static_cast<unsigned long long>(findings.lost),
        static_cast<unsigned long long>(findings.wrong),
        static_cast<unsigned long long>(findings.invented));
    if (options.expect_loss && findings.lost > 0) {
      std::printf("found out, as it must be\n");
      std::filesystem::remove_all(root);
      return 0;
    }
    failed = findings.lost + findings.wrong + findings.invented > 0;
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
  return run(options);
}
