#include "clusters/cluster_book.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace aerie::clusters {

namespace {
constexpr model::DurationMs kFlapWindow = 15LL * 60 * 1000;
constexpr size_t kFlaps = 3;
constexpr int kReadsOfTornScrape = 3;
constexpr model::DurationMs kMostRetry = 15'000;
}  // namespace

std::string ClusterMemory::encode() const {
  std::string out = fmt::format("environment={}\nzone={}\n", environment, zone);
  for (const auto& [job, instance] : targets) out += fmt::format("target={}\t{}\n", job, instance);
  return out;
}

ClusterMemory ClusterMemory::decode(const std::string& text) {
  ClusterMemory memory;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    const size_t equals = line.find('=');
    if (equals == std::string::npos) continue;
    const std::string key = line.substr(0, equals);
    const std::string value = line.substr(equals + 1);
    const size_t tab = value.find('\t');
    if (key == "environment") memory.environment = value;
    if (key == "zone") memory.zone = value;
    if (key == "target" && tab != std::string::npos)
      memory.targets.emplace(value.substr(0, tab), value.substr(tab + 1));
  }
  return memory;
}

bool ReadPlan::due(const store::ClusterArrival& arrival, model::TimestampMs now) const {
  return arrival.watermark != watermark_ && now >= next_;
}

void ReadPlan::read_again() {
  watermark_ = model::kMinTimestamp;
  next_ = 0;
}

void ReadPlan::note_followed(model::TimestampMs now) {
  watermark_ = model::kMinTimestamp;
  next_ = now + kResync;
}

void ReadPlan::note(const store::ClusterArrival& arrival, model::TimestampMs scraped_at, bool torn,
                    model::TimestampMs now) {
  const bool advanced = scraped_at > scraped_at_;
  if (advanced && scraped_at_ != model::kMinTimestamp) {
    const model::DurationMs span = scraped_at - scraped_at_;
    const bool was_early = again_ > 0 || own_interval_ == 0;
    own_interval_ = was_early ? span : std::min(own_interval_, span);
  }
  const model::DurationMs interval = own_interval_ > 0 ? own_interval_ : arrival.interval;
  again_ = advanced ? 0 : again_ + 1;
  if (torn && again_ < kReadsOfTornScrape) {
    watermark_ = model::kMinTimestamp;  // the rest comes without moving the watermark
    next_ = now;
  } else {
    watermark_ = arrival.watermark;
    // Other targets of the cluster move the watermark all the time; a tenth early, because our look
    // at the last scrape may have come late.
    next_ = now +
            (advanced ? interval * 9 / 10 : std::min<model::DurationMs>(interval / 4, kMostRetry));
  }
  scraped_at_ = std::max(scraped_at_, scraped_at);
}

void ClusterBook::find(Witness found, std::string why, bool is_frozen) {
  row.note = why;
  if (witness == found && frozen == is_frozen && text == why) return;
  witness = found;
  frozen = is_frozen;
  text = std::move(why);
  judge_all = true;
}

void ClusterBook::enter(ClusterState entered, model::TimestampMs now) {
  const bool was_silent = row.state == ClusterState::Silent;
  const bool is_silent = entered == ClusterState::Silent;
  if (row.state != ClusterState::Warming && was_silent != is_silent) {
    ++row.transitions;
    transitions.push_back(now);
  }
  while (!transitions.empty() && now - transitions.front() > kFlapWindow) transitions.pop_front();
  row.flapping = transitions.size() >= kFlaps;
  row.state = entered;
}

}  // namespace aerie::clusters
