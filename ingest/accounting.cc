#include "ingest/accounting.h"

#include <utility>

#include "base/log.h"
#include "ingest/options.h"

namespace aerie::ingest {
namespace {

constexpr int64_t kLogIntervalMs = 60'000;

}  // namespace

struct Accounting::Book {
  Counter* received = nullptr;
  Counter* written = nullptr;
  Counter* deduplicated = nullptr;
  Counter* dropped = nullptr;
  std::array<Counter*, kRefusals> refused{};  // null until the first: most reasons never occur
  std::string last_error;
  model::TimestampMs last_error_ms = 0;
  model::TimestampMs last_logged_ms = 0;
};

Accounting::Accounting(size_t max_clusters, MetricRegistry& metrics, const Clock& clock)
    : max_clusters_(max_clusters), metrics_(metrics), clock_(clock) {}

Accounting::~Accounting() = default;

std::string Accounting::book_name(std::string_view cluster) {
  if (cluster.empty()) return kUnlabelledCluster;
  const bool room = books_.with(
      [&](const Books& books) { return books.contains(cluster) || books.size() < max_clusters_; });
  return room ? std::string(cluster) : kOverflowCluster;
}

Accounting::Book& Accounting::book(Books& books, std::string_view cluster) {
  const auto found = books.find(cluster);
  if (found != books.end()) return *found->second;
  auto made = std::make_unique<Book>();
  // Not `cluster`: whoever scrapes aerie and writes to it would write as the cluster spoken of, and
  // that one would never be silent (docs/decisions/0082).
  const MetricLabels labels = {{"sender", std::string(cluster)}};
  made->received = &metrics_.counter("aerie_ingest_samples_received_total",
                                     "Samples and exemplars in good requests", labels);
  made->written = &metrics_.counter("aerie_ingest_samples_written_total",
                                    "Samples and exemplars that are durable", labels);
  made->deduplicated =
      &metrics_.counter("aerie_ingest_samples_deduplicated_total",
                        "Samples of a standby replica, acknowledged and not stored", labels);
  made->dropped =
      &metrics_.counter("aerie_ingest_samples_dropped_total",
                        "Samples and exemplars that write_relabel_configs drops", labels);
  return *books.emplace(std::string(cluster), std::move(made)).first->second;
}

void Accounting::add(std::string_view cluster, const ClusterShare& share) {
  const model::TimestampMs now = clock_.now_ms();
  const bool log = books_.with([&](Books& books) {
    Book& entry = book(books, cluster);
    entry.received->add(share.received);
    entry.written->add(share.written);
    entry.deduplicated->add(share.deduplicated);
    entry.dropped->add(share.dropped);
    for (size_t i = 0; i < kRefusals; ++i) {
      if (share.refused[i] == 0) continue;
      if (entry.refused[i] == nullptr) {
        const MetricLabels labels = {
            {"sender", std::string(cluster)},
            {"reason", std::string(refusal_name(static_cast<Refusal>(i)))}};
        entry.refused[i] = &metrics_.counter("aerie_ingest_samples_rejected_total",
                                             "Samples and exemplars refused", labels);
      }
      entry.refused[i]->add(share.refused[i]);
    }
    if (share.first_error.empty()) return false;
    entry.last_error = share.first_error;
    entry.last_error_ms = now;
    if (entry.last_logged_ms != 0 && now - entry.last_logged_ms < kLogIntervalMs) return false;
    entry.last_logged_ms = now;
    return true;
  });
  if (log)
    AERIE_LOG(Warn, "remote write: samples refused", {"cluster", cluster},
              {"reason", share.first_error});
}

std::vector<ClusterIngest> Accounting::snapshot() const {
  return books_.with([](const Books& books) {
    std::vector<ClusterIngest> all;
    all.reserve(books.size());
    for (const auto& [cluster, entry] : books) {
      ClusterIngest& row = all.emplace_back();
      row.cluster = cluster;
      row.received = entry->received->value();
      row.written = entry->written->value();
      row.deduplicated = entry->deduplicated->value();
      row.dropped = entry->dropped->value();
      for (size_t i = 0; i < kRefusals; ++i) {
        if (entry->refused[i] != nullptr) row.refused[i] = entry->refused[i]->value();
      }
      row.last_error = entry->last_error;
      row.last_error_ms = entry->last_error_ms;
    }
    return all;
  });
}

}  // namespace aerie::ingest
