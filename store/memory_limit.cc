#include "store/memory_limit.h"

#include <fmt/format.h>

#include <utility>

namespace aerie::store {
namespace {

Gauge& part(MetricRegistry& metrics, const char* name) {
  return metrics.gauge("aerie_store_memory_bytes", "Memory of the store by part.",
                       {{"part", name}});
}

}  // namespace

MemoryLimit::MemoryLimit(uint64_t limit_bytes, MetricRegistry& metrics)
    : limit_(limit_bytes),
      metrics_(metrics),
      head_gauge_(part(metrics, "head")),
      index_gauge_(part(metrics, "index")),
      queue_gauge_(part(metrics, "queue")),
      log_gauge_(part(metrics, "log")) {
  metrics
      .gauge("aerie_store_memory_limit_bytes",
             "Past this in head and index together batches are refused; 0: no limit.")
      .set(static_cast<double>(limit_));
}

void MemoryLimit::note(const Use& use) {
  head_ = use.head_bytes;
  index_ = use.index_bytes;
  head_gauge_.set(static_cast<double>(use.head_bytes));
  index_gauge_.set(static_cast<double>(use.index_bytes));
  queue_gauge_.set(static_cast<double>(use.queue_bytes));
  log_gauge_.set(static_cast<double>(use.log_bytes));
  for (const Watched& one : watched_) one.gauge.set(static_cast<double>(one.bytes()));
}

void MemoryLimit::watch(const char* name, std::function<uint64_t()> bytes) {
  watched_.push_back({part(metrics_, name), std::move(bytes)});
}

bool MemoryLimit::pressed() const {
  return limit_ > 0 && used() >= limit_ / 4 * 3 && head_.load() >= limit_ / 4;
}

std::string MemoryLimit::text() const {
  constexpr uint64_t kMiB = 1u << 20;
  return fmt::format(
      "memory is full: {} MiB of unsealed samples and {} MiB of series, limit {} MiB; {}",
      head_.load() / kMiB, index_.load() / kMiB, limit_ / kMiB,
      head_.load() >= limit_ / 4
          ? "sealing does not keep up or fails, see aerie_store_seal_failures_total"
          : "too many active series, raise storage.tsdb.head_memory_limit_mib");
}

}  // namespace aerie::store
