#include "tests/crash/ledger.h"

#include <bit>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "base/clock.h"
#include "base/metrics.h"
#include "store/store.h"

namespace aerie::crash {
namespace {

/// Labels -> time -> bits.
using Samples = std::map<model::Labels, std::map<model::TimestampMs, uint64_t>>;

Samples read_everything(const store::Store& store, Findings& findings) {
  Samples out;
  auto selection = store.select({}, {});
  if (!selection) std::exit(2);
  model::SeriesSamples samples;
  for (size_t i = 0; i < (*selection)->size(); ++i) {
    const model::Labels& labels = (*selection)->labels(i);
    if (!labels.has(kThreadLabel)) continue;
    if (!(*selection)->read(i, {}, samples)) std::exit(2);
    auto& mine = out[labels];
    for (size_t s = 0; s < samples.values.size(); ++s) {
      const uint64_t bits = std::bit_cast<uint64_t>(samples.values[s]);
      if (!mine.emplace(samples.timestamps[s], bits).second) ++findings.invented;
    }
    findings.samples += samples.values.size();
  }
  return out;
}

}  // namespace

void Ledger::sent(int thread, int64_t step) {
  auto& mine = steps.at(static_cast<size_t>(thread));
  if (mine.size() <= static_cast<size_t>(step))
    mine.resize(static_cast<size_t>(step) + 1, Fate::InDoubt);
}

void Ledger::acknowledged(int thread, int64_t step) {
  steps.at(static_cast<size_t>(thread)).at(static_cast<size_t>(step)) = Fate::Acknowledged;
}

void Ledger::read_line(const std::string& line) {
  char kind = 0;
  int thread = 0;
  long long step = 0;
  if (std::sscanf(line.c_str(), "%c %d %lld", &kind, &thread, &step) != 3) return;
  if (kind == 'S') sent(thread, step);
  if (kind == 'A') acknowledged(thread, step);
}

Findings check_store(const std::string& path, const Workload& workload, Ledger& ledger,
                     model::TimestampMs kept_from) {
  Findings findings;
  SystemClock clock;
  MetricRegistry metrics;
  store::PosixFileSystem files;
  auto store = store::Store::open(store_options(path), clock, files, metrics);
  if (!store) {
    std::printf("reopening failed: %s\n", store.error().message().c_str());
    findings.lost = 1;
    return findings;
  }
  Samples found = read_everything(**store, findings);
  for (int thread = 0; thread < kThreads; ++thread) {
    auto& steps = ledger.steps[static_cast<size_t>(thread)];
    for (size_t step = 0; step < steps.size(); ++step) {
      const auto batch = workload.batch(thread, static_cast<int64_t>(step));
      size_t there = 0;
      for (const Expected& one : batch) {
        auto& series = found[one.labels];
        const auto at = series.find(one.t);
        if (at == series.end()) continue;
        ++there;
        if (at->second != std::bit_cast<uint64_t>(one.value)) ++findings.wrong;
        series.erase(at);
      }
      const bool may_be_gone = batch.front().t < kept_from && there == 0;
      if (steps[step] == Fate::Acknowledged && may_be_gone) {
        steps[step] = Fate::Lost;
      } else if (steps[step] == Fate::Acknowledged) {
        findings.acknowledged += batch.size();
        findings.lost += batch.size() - there;
      } else if (steps[step] == Fate::Lost) {
        findings.invented += there;
      } else {
        if (there != 0 && there != batch.size()) findings.wrong += there;
        steps[step] = there != 0 ? Fate::Acknowledged : Fate::Lost;
      }
    }
  }
  for (const auto& [labels, rest] : found) findings.invented += rest.size();
  if (!(*store)->close()) std::exit(2);
  return findings;
}

void print(int round, const std::string& what, const Findings& findings) {
  std::printf("round %d: %s samples=%llu acknowledged=%llu LOST=%llu WRONG=%llu INVENTED=%llu\n",
              round, what.c_str(), static_cast<unsigned long long>(findings.samples),
              static_cast<unsigned long long>(findings.acknowledged),
              static_cast<unsigned long long>(findings.lost),
              static_cast<unsigned long long>(findings.wrong),
              static_cast<unsigned long long>(findings.invented));
}

}  // namespace aerie::crash
