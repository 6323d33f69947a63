#include "clusters/timeline.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace aerie::clusters {

namespace {

constexpr std::string_view kPrefix = "event/";

std::string row_key(uint64_t number) { return fmt::format("{}{:016x}", kPrefix, number); }

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool any_or(const std::string& wanted, std::string_view value) {
  return wanted.empty() || wanted == value;
}

bool matches(const Timeline::Filter& filter, const TimelineEntry& entry) {
  return entry.number > filter.after && entry.event.at >= filter.since &&
         any_or(filter.cluster, entry.key.cluster) && any_or(filter.space, entry.key.space) &&
         any_or(filter.name, entry.key.name) && any_or(filter.event, event_name(entry.event.kind));
}

void parse_field(std::string_view key, std::string_view value, TimelineEntry& entry, bool& known) {
  if (key == "cluster") entry.key.cluster = value;
  if (key == "namespace") entry.key.space = value;
  if (key == "name") entry.key.name = value;
  if (key == "kind") entry.key.kind = parse_kind(value).value_or(Kind::Deployment);
  if (key == "at") entry.event.at = number_of<int64_t>(value).value_or(0);
  if (key == "phase") entry.event.phase = parse_phase(value).value_or(Phase::Unknown);
  if (key == "reason") entry.event.reason = value;
  if (key == "message") entry.event.message = value;
  if (key == "took") entry.event.took = number_of<int64_t>(value);
  if (key == "number") entry.number = number_of<uint64_t>(value).value_or(0);
  if (key != "event") return;
  const auto kind = parse_event(value);
  known = kind.has_value();
  if (kind) entry.event.kind = *kind;
}

}  // namespace

std::string TimelineEntry::encode() const {
  std::string out;
  const auto line = [&](std::string_view key_of_line, std::string value) {
    if (value.empty()) return;
    // Names and messages come from the network: a line break must not become a line of ours.
    std::replace(value.begin(), value.end(), '\n', ' ');
    out += fmt::format("{}={}\n", key_of_line, value);
  };
  line("number", std::to_string(number));
  line("event", std::string(event_name(event.kind)));
  line("at", std::to_string(event.at));
  line("cluster", key.cluster);
  line("namespace", key.space);
  line("name", key.name);
  if (key.kind != Kind::Deployment) line("kind", std::string(kind_name(key.kind)));
  line("phase", std::string(phase_name(event.phase)));
  line("reason", event.reason);
  line("message", event.message);
  if (event.took) line("took", std::to_string(*event.took));
  return out;
}

std::optional<TimelineEntry> TimelineEntry::decode(std::string_view text) {
  TimelineEntry entry;
  bool known = false;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view row = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    const size_t equals = row.find('=');
    if (equals != std::string_view::npos)
      parse_field(row.substr(0, equals), row.substr(equals + 1), entry, known);
  }
  if (!known || entry.key.cluster.empty()) return std::nullopt;
  return entry;
}

void Timeline::append(Entries& entries, EntryPtr entry) {
  auto& own = entries.by_object[{entry->key.space, entry->key.name, entry->key.kind}];
  own.push_back(entry);
  if (own.size() > kMostOfOne) own.pop_front();
  entries.last_number = std::max(entries.last_number, entry->number);
  entries.all.push_back(std::move(entry));
}

/// Keys of the rows that are let go.
std::vector<std::string> Timeline::trim(Entries& entries, model::TimestampMs now) {
  std::vector<std::string> gone;
  while (!entries.all.empty() &&
         (entries.all.size() > kMostEntries || entries.all.front()->event.at < now - kKept)) {
    const EntryPtr oldest = entries.all.front();
    entries.all.pop_front();
    gone.push_back(row_key(oldest->number));
    const auto own =
        entries.by_object.find({oldest->key.space, oldest->key.name, oldest->key.kind});
    if (own == entries.by_object.end()) continue;
    if (!own->second.empty() && own->second.front() == oldest) own->second.pop_front();
    if (own->second.empty()) entries.by_object.erase(own);
  }
  return gone;
}

Status Timeline::restore() {
  if (!table_) return {};
  auto rows = table_->scan(kPrefix);
  if (!rows) return std::move(rows).error().with("read the timeline");
  entries_.with([&](Entries& entries) {
    for (const auto& [key, value] : *rows) {
      auto entry = TimelineEntry::decode(value);
      if (entry) append(entries, std::make_shared<const TimelineEntry>(std::move(*entry)));
    }
  });
  return {};
}

Status Timeline::add(std::vector<TimelineEntry> added, model::TimestampMs now) {
  std::vector<std::pair<std::string, std::string>> puts;
  const auto gone = entries_.with([&](Entries& entries) {
    for (auto& entry : added) {
      entry.number = entries.last_number + 1;
      puts.emplace_back(row_key(entry.number), entry.encode());
      append(entries, std::make_shared<const TimelineEntry>(std::move(entry)));
    }
    return trim(entries, now);
  });
  if (!table_ || (puts.empty() && gone.empty())) return {};
  if (auto written = table_->apply(puts, gone); !written)
    return std::move(written).error().with("write the timeline");
  return {};
}

std::vector<EntryPtr> Timeline::find(const Filter& filter) const {
  std::vector<EntryPtr> found;
  entries_.with([&](const Entries& entries) {
    for (auto it = entries.all.rbegin(); it != entries.all.rend(); ++it) {
      if (found.size() >= filter.limit || (*it)->number <= filter.after) break;
      if (matches(filter, **it)) found.push_back(*it);
    }
  });
  std::reverse(found.begin(), found.end());
  return found;
}

std::vector<EntryPtr> Timeline::of(const std::string& space, const std::string& name,
                                   Kind kind) const {
  return entries_.with([&](const Entries& entries) {
    const auto own = entries.by_object.find({space, name, kind});
    if (own == entries.by_object.end()) return std::vector<EntryPtr>{};
    return std::vector<EntryPtr>(own->second.begin(), own->second.end());
  });
}

}  // namespace aerie::clusters
