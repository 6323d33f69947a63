// Writes known values into a store until it is killed, and says on standard output what was
// acknowledged. crash_writer PATH SEED FLUSH_EVERY_MS MODE STEP…   (the first step of each thread)

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
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

void write_for_ever(store::Store& store, crash::Workload workload, int thread, int64_t step) {
  for (;; ++step) {
    store::WriteBatch batch;
    for (const crash::Expected& one : workload.batch(thread, step)) {
      batch.floats.push_back({store.resolve(one.labels), one.t, one.value});
    }
    const size_t rows = batch.floats.size();
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
  SystemClock clock;
  MetricRegistry metrics;
  crash::VolatileFileSystem volatile_files;
  store::PosixFileSystem real_files;
  store::FileSystem& files =
      mode == "kill" ? static_cast<store::FileSystem&>(real_files) : volatile_files;
  auto opened = store::LocalStore::open(options, clock, files, metrics, open_partitions);
  if (!opened) {
    std::fprintf(stderr, "cannot open: %s\n", opened.error().message().c_str());
    return 5;
  }
  store::Store& store = **opened;
  std::vector<std::thread> threads;
  for (int i = 0; i < crash::kThreads; ++i) {
    threads.emplace_back([&store, workload, i, first = std::atoll(argv[6 + i])] {
      write_for_ever(store, workload, i, first);
    });
  }
  while (flush_every_ms > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(flush_every_ms));
    if (auto flushed = store.flush(); !flushed) {
      std::fprintf(stderr, "flush failed: %s\n", flushed.error().message().c_str());
      std::_Exit(6);
    }
  }
  for (auto& thread : threads) thread.join();
}
