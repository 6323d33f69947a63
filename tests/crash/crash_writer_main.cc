// Writes known values into a store until it is killed, and says on standard output what was
// acknowledged. crash_writer PATH SEED FIRST_TIME FLUSH_EVERY_MS MODE STEP…   (the first step of
// each thread). MODE at:NAME:N kills itself when the store reaches the step NAME for the Nth time
// (docs/faults.md), with a retention short enough that partitions are removed all the time.

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/local_store.h"
#include "tests/crash/broken_stores.h"
#include "tests/crash/workload.h"

namespace {

using namespace aerie;

/// One write(2): shorter than PIPE_BUF, so lines of threads never mix, and in the pipe even if we
/// die in the next instruction.
void say(const std::string& line) {
  if (::write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
    std::_Exit(3);
}

/// The time of what is written: so that spans finish and old ones expire within a second.
class WorkloadClock final : public Clock {
 public:
  void reach(model::TimestampMs t) {
    model::TimestampMs now = now_.load();
    while (now < t && !now_.compare_exchange_weak(now, t)) {
    }
  }
  model::TimestampMs now_ms() const override { return now_.load(); }
  int64_t monotonic_ns() const override { return system_.monotonic_ns(); }

 private:
  SystemClock system_;
  std::atomic<model::TimestampMs> now_{0};
};

/// Kills this process when the step of `at:NAME:N` is reached for the Nth time.
store::StepHook kill_at(const std::string& mode) {
  const size_t colon = mode.rfind(':');
  const std::string name = mode.substr(3, colon - 3);
  const int wanted = std::atoi(mode.c_str() + colon + 1);
  auto seen = std::make_shared<std::atomic<int>>(0);
  return [=](std::string_view step) {
    if (step != name || ++*seen < wanted) return;
    ::kill(::getpid(), SIGKILL);
    ::pause();
  };
}

/// Keeps the threads within a few seconds of workload time, so that nobody falls out of the
/// retention.
struct Pacer {
  void wait(int thread, int64_t step) {
    steps[static_cast<size_t>(thread)] = step;
    const auto far_ahead = [&] {
      return std::any_of(steps.begin(), steps.end(),
                         [=](const auto& other) { return step > other + 100; });
    };
    while (far_ahead()) std::this_thread::sleep_for(std::chrono::microseconds(200));
  }

  std::array<std::atomic<int64_t>, crash::kThreads> steps{};
};

struct Pace {
  WorkloadClock clock;
  Pacer pacer;
  std::shared_mutex quiet;  // held alone: nobody writes, so that a flush leaves nothing behind
  std::atomic<bool> wanted{false};
};

void write_for_ever(store::Store& store, crash::Workload workload, Pace& pace, int thread,
                    int64_t step) {
  for (;; ++step) {
    pace.pacer.wait(thread, step);
    store::WriteBatch batch;
    for (const crash::Expected& one : workload.batch(thread, step)) {
      pace.clock.reach(one.t);
      batch.floats.push_back({store.resolve(one.labels), one.t, one.value});
    }
    const size_t rows = batch.floats.size();
    while (pace.wanted) std::this_thread::sleep_for(std::chrono::microseconds(200));
    const std::shared_lock not_quiet(pace.quiet);
    say(crash::line_of('S', thread, step));
    auto outcome = store.append_and_wait(std::move(batch));
    if (!outcome || outcome->floats_written != rows) {
      std::fprintf(stderr, "batch refused: %s\n",
                   outcome ? outcome->first_rejection.c_str() : outcome.error().message().c_str());
      std::_Exit(4);
    }
    say(crash::line_of('A', thread, step));
  }
}

void merge_or_die(store::LocalStore& store) {
  if (auto merged = store.merge(); !merged) {
    std::fprintf(stderr, "merge failed: %s\n", merged.error().message().c_str());
    std::_Exit(7);
  }
}

/// One is enough: the one before goes.
void snapshot_or_die(store::LocalStore& store, const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path + "/snapshots", ignored);
  if (auto taken = store.snapshot(store::Store::SnapshotScope::Everything); !taken) {
    std::fprintf(stderr, "snapshot failed: %s\n", taken.error().message().c_str());
    std::_Exit(8);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6 + crash::kThreads) return 2;
  configure_log(LogLevel::Warn, LogFormat::Logfmt);
  const std::string mode = argv[5];
  store::StoreOptions options = crash::store_options(argv[1]);
  const crash::Workload workload{std::strtoull(argv[2], nullptr, 10), std::atoll(argv[3])};
  const int flush_every_ms = std::atoi(argv[4]);
  if (mode == "ack-before-sync") {
    options.sync = store::SyncMode::Interval;
    options.sync_interval = 50;
  }
  const auto open_partitions = [&](store::PartitionSet::Options partition_options)
      -> Result<std::unique_ptr<store::PartitionSet>> {
    auto real = store::PartitionSet::open(partition_options);
    if (!real || mode != "forget-seal") return real;
    return std::unique_ptr<store::PartitionSet>(
        std::make_unique<crash::ForgetfulPartitionSet>(std::move(*real)));
  };
  if (mode.starts_with("at:")) {
    options.on_step = kill_at(mode);
    options.retention = crash::kRetention;
  }
  Pace pace;
  for (int i = 0; i < crash::kThreads; ++i)
    pace.pacer.steps[static_cast<size_t>(i)] = std::atoll(argv[6 + i]);
  MetricRegistry metrics;
  crash::VolatileFileSystem volatile_files;
  store::PosixFileSystem real_files;
  store::FileSystem& files = mode == "kill" || mode.starts_with("at:")
                                 ? static_cast<store::FileSystem&>(real_files)
                                 : volatile_files;
  auto opened = store::LocalStore::open(options, pace.clock, files, metrics, open_partitions);
  if (!opened) {
    std::fprintf(stderr, "cannot open: %s\n", opened.error().message().c_str());
    return 5;
  }
  store::LocalStore& store = **opened;
  std::vector<std::thread> threads;
  for (int i = 0; i < crash::kThreads; ++i) {
    threads.emplace_back([&store, &pace, workload, i, first = std::atoll(argv[6 + i])] {
      write_for_ever(store, workload, pace, i, first);
    });
  }
  for (int flushes = 0; flush_every_ms > 0; ++flushes) {
    std::this_thread::sleep_for(std::chrono::milliseconds(flush_every_ms));
    std::unique_lock quiet(pace.quiet, std::defer_lock);
    pace.wanted = mode.starts_with("at:") && flushes % 3 == 2;
    if (pace.wanted) quiet.lock();
    if (auto flushed = store.flush(); !flushed) {
      std::fprintf(stderr, "flush failed: %s\n", flushed.error().message().c_str());
      std::_Exit(6);
    }
    pace.wanted = false;
    if (!mode.starts_with("at:")) continue;
    if (flushes % 4 == 3) merge_or_die(store);
    if (flushes % 6 == 5) snapshot_or_die(store, argv[1]);
  }
  for (auto& thread : threads) thread.join();
}
