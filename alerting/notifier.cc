#include "alerting/notifier.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <random>
#include <set>
#include <utility>

#include "base/log.h"

namespace aerie::alerting {
namespace {

constexpr size_t kBatchLimit = 256;  // as Prometheus
constexpr int64_t kFirstRetryMs = 1'000;
constexpr int64_t kLongestRetryMs = 15'000;
/// How long a resolved and delivered alert is remembered, so that repeats of it are recognised.
constexpr model::DurationMs kSettledRetention = 20LL * 60 * 1000;
constexpr model::DurationMs kCleanEveryMs = 10'000;
constexpr std::string_view kRowPrefix = "d";

std::string row_key(const model::Labels& labels) {
  return std::string(kRowPrefix).append(labels.encoded());
}

}  // namespace

/// One Alertmanager: what it still has to be told. Guarded by the notifier's lock, but for
/// `config`, `cancellation` and `thread`.
struct Notifier::Target {
  Target(AlertmanagerTarget target, MetricRegistry& metrics)
      : config(std::move(target)),
        url(config.url + "/api/v2/alerts"),
        sent(metrics.counter("aerie_alerting_notifications_sent_total",
                             "Alerts that an Alertmanager accepted.", {{"alertmanager", url}})),
        errors(
            metrics.counter("aerie_alerting_notifications_errors_total",
                            "Requests that an Alertmanager did not accept; they are tried again.",
                            {{"alertmanager", url}})),
        refused(metrics.counter("aerie_alerting_notifications_refused_total",
                                "Alerts given up because an Alertmanager called them invalid.",
                                {{"alertmanager", url}})),
        queue(metrics.gauge("aerie_alerting_notifications_queue_length",
                            "Alerts whose newest state an Alertmanager has not yet got.",
                            {{"alertmanager", url}})),
        latency(metrics.histogram("aerie_alerting_notifications_latency_seconds",
                                  "Time that requests to an Alertmanager took.",
                                  {0.005, 0.02, 0.1, 0.5, 2, 10}, {{"alertmanager", url}})) {}

  const AlertmanagerTarget config;
  const std::string url;
  Counter& sent;
  Counter& errors;
  Counter& refused;
  Gauge& queue;
  Histogram& latency;
  const std::shared_ptr<http::Cancellation> cancellation = std::make_shared<http::Cancellation>();
  std::set<model::Labels> dirty;      // to be sent
  std::set<model::Labels> in_flight;  // being sent
  size_t batch_limit = kBatchLimit;   // halved to find the alert that is refused
  int failures = 0;                   // in a row
  int64_t not_before_ns = 0;          // monotonic
  std::string last_error;
  bool leaving = false;
  std::thread thread;
};

struct Notifier::Batch {
  std::vector<std::pair<model::Labels, uint64_t>> items;
  bool has_resolved = false;
  std::string body;
};

Notifier::Notifier(const Clock& clock, MetricRegistry& metrics,
                   std::shared_ptr<store::KeyedTable> table)
    : clock_(clock), metrics_(metrics), table_(std::move(table)) {}

Notifier::~Notifier() { stop(); }

Status Notifier::load() {
  if (!table_) return {};
  auto rows = table_->scan(kRowPrefix);
  if (!rows) return std::move(rows).error().with("load alerts to deliver");
  const model::TimestampMs now = clock_.now_ms();
  std::vector<std::string> useless;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, bytes] : *rows) {
      auto alert = decode_outgoing(bytes);
      if (!alert || (!alert->resolved && alert->ends_at <= now)) {
        // What fires is vouched for anew by its rule or by the member that sent it.
        if (!alert)
          AERIE_LOG(Error, "alert to deliver dropped", {"reason", alert.error().message()});
        useless.push_back(key);
        continue;
      }
      model::Labels labels = alert->labels;
      entries_[labels] = Entry{std::move(*alert), next_version_++, true};
      for (const auto& target : targets_) target->dirty.insert(labels);
    }
  }
  return useless.empty() ? Status() : table_->apply({}, useless);
}

void Notifier::configure(const std::vector<AlertmanagerTarget>& targets,
                         const model::Labels& external_labels) {
  const std::lock_guard lock(mutex_);
  external_labels_ = external_labels;
  std::vector<std::shared_ptr<Target>> next;
  for (const AlertmanagerTarget& wanted : targets) {
    const auto known = std::find_if(targets_.begin(), targets_.end(),
                                    [&](const auto& target) { return target->config == wanted; });
    if (known != targets_.end()) {
      next.push_back(*known);
      targets_.erase(known);
      continue;
    }
    auto target = std::make_shared<Target>(wanted, metrics_);
    for (const auto& [labels, entry] : entries_) {
      if (!entry.alert.resolved || entry.stored) target->dirty.insert(labels);
    }
    if (started_) target->thread = std::thread([this, target] { deliver_loop(target); });
    next.push_back(std::move(target));
  }
  for (auto& target : targets_) {
    target->leaving = true;
    target->cancellation->cancel();
    leaving_.push_back(std::move(target));
  }
  targets_ = std::move(next);
  wake_.notify_all();
}

void Notifier::submit(std::vector<OutgoingAlert> alerts) {
  std::vector<std::pair<std::string, std::string>> puts;
  std::vector<std::string> removals;
  {
    const std::lock_guard lock(mutex_);
    for (OutgoingAlert& alert : alerts) {
      model::LabelsBuilder labels(alert.labels);
      for (const auto& [name, value] : external_labels_) {
        if (labels.get(name).empty()) labels.set(name, value);
      }
      model::Labels key = labels.build();
      alert.labels = key;
      Entry& entry = entries_[key];
      const bool repeats = entry.version != 0 && entry.alert.resolved == alert.resolved &&
                           entry.alert.starts_at == alert.starts_at;
      if (!repeats && table_) {
        puts.emplace_back(row_key(key), encode_outgoing(alert));
        entry.stored = true;
      }
      entry.alert = std::move(alert);
      entry.version = next_version_++;
      for (const auto& target : targets_) target->dirty.insert(key);
    }
    // Walks over everything: not for each of hundreds of rules.
    if (const model::TimestampMs now = clock_.now_ms(); now >= next_cleaning_) {
      next_cleaning_ = now + kCleanEveryMs;
      removals = forget_settled();
    }
  }
  // What was just written must not be removed in the same breath.
  std::erase_if(removals, [&](const std::string& key) {
    return std::any_of(puts.begin(), puts.end(), [&](const auto& put) { return put.first == key; });
  });
  if (table_ && !(puts.empty() && removals.empty())) {
    auto saved = table_->apply(puts, removals);
    if (!saved)
      AERIE_LOG(Error, "alerts to deliver not saved", {"reason", saved.error().message()});
  }
  wake_.notify_all();
}

bool Notifier::wanted_by_any(const model::Labels& labels) const {
  return std::any_of(targets_.begin(), targets_.end(), [&](const auto& target) {
    return target->dirty.count(labels) > 0 || target->in_flight.count(labels) > 0;
  });
}

std::vector<std::string> Notifier::forget_settled() {
  const model::TimestampMs now = clock_.now_ms();
  std::vector<std::string> rows;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const OutgoingAlert& alert = entry->second.alert;
    const bool over = alert.resolved ? !wanted_by_any(entry->first) : alert.ends_at <= now;
    if (over && std::exchange(entry->second.stored, false)) rows.push_back(row_key(entry->first));
    const bool forget = over && alert.ends_at + kSettledRetention < now;
    entry = forget ? entries_.erase(entry) : std::next(entry);
  }
  return rows;
}

void Notifier::start() {
  const std::lock_guard lock(mutex_);
  started_ = true;
  for (const auto& target : targets_) {
    if (!target->thread.joinable())
      target->thread = std::thread([this, target] { deliver_loop(target); });
  }
}

void Notifier::stop() {
  std::vector<std::shared_ptr<Target>> all;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    all = targets_;
    all.insert(all.end(), leaving_.begin(), leaving_.end());
  }
  for (const auto& target : all) target->cancellation->cancel();
  wake_.notify_all();
  for (const auto& target : all) {
    if (target->thread.joinable()) target->thread.join();
  }
}

void Notifier::deliver_loop(const std::shared_ptr<Target>& target) {
  pthread_setname_np(pthread_self(), "notifier");
  while (true) {
    {
      std::unique_lock lock(mutex_);
      const auto ends = [&] { return stopping_ || target->leaving; };
      const auto ready = [&] {
        return ends() || (!target->dirty.empty() && target->not_before_ns <= clock_.monotonic_ns());
      };
      while (!ready()) {
        const int64_t wait_ns = target->not_before_ns - clock_.monotonic_ns();
        if (target->dirty.empty() || wait_ns <= 0) {
          wake_.wait(lock);
        } else {
          wake_.wait_for(lock, std::chrono::nanoseconds(wait_ns));
        }
      }
      if (ends()) return;
    }
    attempt(*target);
  }
}

size_t Notifier::deliver_once() {
  std::vector<std::shared_ptr<Target>> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& target : targets_) {
      if (!target->dirty.empty() && target->not_before_ns <= clock_.monotonic_ns())
        all.push_back(target);
    }
  }
  size_t delivered = 0;
  for (const auto& target : all) delivered += attempt(*target);
  return delivered;
}

Notifier::Batch Notifier::take_batch(Target& target) {
  Batch batch;
  const model::TimestampMs now = clock_.now_ms();
  const std::lock_guard lock(mutex_);
  while (!target.dirty.empty() && batch.items.size() < target.batch_limit) {
    const model::Labels labels = *target.dirty.begin();
    target.dirty.erase(target.dirty.begin());
    const auto found = entries_.find(labels);
    if (found == entries_.end()) continue;
    const OutgoingAlert& alert = found->second.alert;
    if (!alert.resolved && alert.ends_at <= now) continue;
    batch.body += batch.items.empty() ? "[" : ",";
    batch.body += outgoing_json(alert);
    batch.has_resolved = batch.has_resolved || alert.resolved;
    batch.items.emplace_back(labels, found->second.version);
    target.in_flight.insert(labels);
  }
  batch.body += "]";
  return batch;
}

bool Notifier::attempt(Target& target) {
  const Batch batch = take_batch(target);
  if (batch.items.empty()) return false;
  http::ClientRequest request;
  request.method = http::Method::Post;
  request.url = target.url;
  request.headers = target.config.headers;
  request.headers.set("Content-Type", "application/json");
  request.body = batch.body;
  request.timeout = target.config.timeout;
  request.cancellation = target.cancellation;
  const int64_t started = clock_.monotonic_ns();
  const auto answer = client_.send(request);
  target.latency.observe(static_cast<double>(clock_.monotonic_ns() - started) / 1e9);
  return settle(target, batch, answer);
}

bool Notifier::settle(Target& target, const Batch& batch, const Result<http::Response>& answer) {
  if (!answer) {
    fail(target, batch, answer.error().message());
    return false;
  }
  const int status = answer->status;
  const bool accepted = status / 100 == 2;
  const bool one_is_bad = status == 400 || status == 413 || status == 422;
  if (!accepted && !(one_is_bad && batch.items.size() == 1)) {
    const std::string reason =
        fmt::format("{} answered {}: {}", target.url, status, answer->body.substr(0, 200));
    if (one_is_bad) {
      const std::lock_guard lock(mutex_);
      target.batch_limit = std::max<size_t>(1, batch.items.size() / 2);
    }
    fail(target, batch, reason);
    return false;
  }
  if (!accepted) {
    // The one that spoils every batch. Alertmanager will not take it tomorrow either.
    AERIE_LOG(Error, "alert given up: the Alertmanager calls it invalid",
              {"alertmanager", target.url}, {"alert", batch.items.front().first.to_string()},
              {"status", status}, {"answer", answer->body.substr(0, 200)});
    target.refused.add();
  } else {
    target.sent.add(batch.items.size());
  }
  std::vector<std::string> rows;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [labels, version] : batch.items) target.in_flight.erase(labels);
    target.batch_limit = std::min(kBatchLimit, target.batch_limit * 2);
    if (std::exchange(target.failures, 0) > 0) {
      AERIE_LOG(Info, "Alertmanager reached again", {"alertmanager", target.url});
      // It may have restarted and lost what it knew: it keeps alerts in memory only.
      for (const auto& [labels, entry] : entries_) {
        if (!entry.alert.resolved) target.dirty.insert(labels);
      }
      for (const auto& [labels, version] : batch.items) {
        const auto found = entries_.find(labels);
        if (found != entries_.end() && found->second.version == version) target.dirty.erase(labels);
      }
    }
    target.last_error.clear();
    target.not_before_ns = 0;
    target.queue.set(static_cast<double>(target.dirty.size()));
    if (batch.has_resolved) rows = forget_settled();
  }
  if (table_ && !rows.empty())
    table_->apply({}, rows).ignore("delivered once more after a restart");
  return accepted;
}

void Notifier::fail(Target& target, const Batch& batch, std::string reason) {
  target.errors.add();
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [labels, version] : batch.items) {
      target.in_flight.erase(labels);
      target.dirty.insert(labels);
    }
    const bool searching = target.batch_limit < kBatchLimit;
    if (!searching) {
      first = target.failures == 0;
      const int64_t wait_ms =
          std::min(kLongestRetryMs, kFirstRetryMs << std::min(target.failures, 10));
      // Up to a fifth more, so that many targets do not come back together.
      std::minstd_rand random(static_cast<uint32_t>(clock_.monotonic_ns()));
      const int64_t jitter_ms = static_cast<int64_t>(random() % static_cast<uint64_t>(wait_ms / 5));
      target.not_before_ns = clock_.monotonic_ns() + (wait_ms + jitter_ms) * 1'000'000;
      ++target.failures;
    }
    target.last_error = reason;
    target.queue.set(static_cast<double>(target.dirty.size()));
    if (stopping_ || target.leaving) return;
  }
  if (first)
    AERIE_LOG(Warn, "alerts not delivered, trying again", {"alertmanager", target.url},
              {"reason", reason});
}

std::vector<Notifier::TargetStatus> Notifier::targets() const {
  const std::lock_guard lock(mutex_);
  std::vector<TargetStatus> all;
  for (const auto& target : targets_) {
    all.push_back(
        {target->url, target->dirty.size() + target->in_flight.size(), target->last_error});
  }
  return all;
}

}  // namespace aerie::alerting
