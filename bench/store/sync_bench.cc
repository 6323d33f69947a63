// What one fdatasync costs: behind an append that makes the file longer, and behind an overwrite of
// a file that was filled with zeros before, as the log does it. docs/decisions/0111.
// store_bench --benchmark_filter=sync

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "store/file_system.h"

namespace {

using namespace aerie;

constexpr uint64_t kFileBytes = 64u << 20;

void sync(benchmark::State& state) {
  const bool overwrite = state.range(0) != 0;
  const auto bytes = static_cast<uint64_t>(state.range(1));
  store::PosixFileSystem files;
  const std::string path = (std::filesystem::temp_directory_path() / "aerie-sync-bench").string();
  std::filesystem::remove(path);
  auto file = files.open(path, true);
  if (!file || (overwrite && !(*file)->preallocate(kFileBytes))) {
    state.SkipWithError("cannot make the file");
    return;
  }
  const std::string record(bytes, 'x');
  std::vector<double> micros;
  uint64_t at = 0;
  for (auto _ : state) {
    const auto from = std::chrono::steady_clock::now();
    if (!(*file)->write_at(at, record) || !(*file)->sync()) {
      state.SkipWithError("write or sync failed");
      break;
    }
    micros.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - from).count());
    at = (at + bytes) % kFileBytes;
  }
  std::sort(micros.begin(), micros.end());
  if (!micros.empty()) {
    state.counters["p50_us"] = micros[micros.size() / 2];
    state.counters["p99_us"] = micros[micros.size() * 99 / 100];
  }
  std::filesystem::remove(path);
}

}  // namespace

BENCHMARK(sync)
    ->ArgNames({"overwrite", "bytes"})
    ->ArgsProduct({{0, 1}, {4 << 10, 64 << 10, 1 << 20}})
    ->Iterations(1000)
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();
