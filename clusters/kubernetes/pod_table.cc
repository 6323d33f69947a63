#include "clusters/kubernetes/pod_table.h"

#include <fmt/core.h>
#include <xxhash.h>

#include <algorithm>
#include <map>

#include "clusters/kubernetes/json_fields.h"

namespace aerie::clusters::kubernetes {
namespace {

namespace json = boost::json;

constexpr int64_t kRestartWindowMs = 10LL * 60 * 1000;
constexpr size_t kLongestMessage = 512;
constexpr std::array<std::string_view, 6> kPhases = {"",          "Pending", "Running",
                                                     "Succeeded", "Failed",  "Unknown"};

uint32_t seconds_of(std::string_view text) {
  return static_cast<uint32_t>(std::clamp<int64_t>(parse_time(text).value_or(0), 0, UINT32_MAX));
}

uint32_t count_of(const json::object& in, std::string_view key) {
  return static_cast<uint32_t>(
      std::clamp<int64_t>(integer_at(in, key).value_or(0), 0, 1'000'000'000));
}

const json::object* controller_of(const json::object& metadata) {
  const auto* owners = array_at(metadata, "ownerReferences");
  if (!owners) return nullptr;
  for (const auto& owner : *owners) {
    if (owner.is_object() && flag_at(owner.get_object(), "controller")) return &owner.get_object();
  }
  return nullptr;
}

template <class Use>
void each_object(const json::array* items, Use&& use) {
  if (!items) return;
  for (const auto& item : *items) {
    if (item.is_object()) use(item.get_object());
  }
}

/// Pairs of "name=value\n" texts.
template <class Use>
void each_line(std::string_view lines, Use&& use) {
  while (!lines.empty()) {
    const size_t end = lines.find('\n');
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
    use(line);
  }
}

/// What a container says of itself.
struct ContainerWords {
  std::string waiting;
  std::string message;
  std::string last_terminated;
  int64_t exit_code = INT32_MIN;
  uint32_t restarts = 0;
};

ContainerWords words_of(const json::array* statuses) {
  ContainerWords words;
  each_object(statuses, [&](const json::object& status) {
    words.restarts += count_of(status, "restartCount");
    const auto* state = object_at(status, "state");
    const auto* waiting = state ? object_at(*state, "waiting") : nullptr;
    if (waiting) {
      words.waiting += std::string(text_at(*waiting, "reason")) + "\n";
      if (words.message.empty()) words.message = text_at(*waiting, "message");
    }
    const auto* last = object_at(status, "lastState");
    const auto* terminated = last ? object_at(*last, "terminated") : nullptr;
    if (!terminated && state) terminated = object_at(*state, "terminated");
    const auto code = terminated ? integer_at(*terminated, "exitCode") : std::nullopt;
    if (terminated && code != 0) {
      words.last_terminated = text_at(*terminated, "reason");
      words.exit_code = code.value_or(INT32_MIN);
    }
  });
  return words;
}

}  // namespace

bool PodTable::Record::same_evidence(const Record& o) const {
  return texts == o.texts && restarts == o.restarts && init_restarts == o.init_restarts &&
         exit_code == o.exit_code && created == o.created && scheduled == o.scheduled &&
         ready_since == o.ready_since && suffix == o.suffix && phase == o.phase && flags == o.flags;
}

uint64_t PodTable::key_of(std::string_view space, std::string_view name) {
  // Seeded by the length of the namespace: "a/bc" and "ab/c" differ.
  const uint64_t first = XXH3_64bits_withSeed(space.data(), space.size(), space.size());
  return XXH3_64bits_withSeed(name.data(), name.size(), first);
}

void PodTable::set_text(Record& record, Text which, std::string_view text) {
  texts_.release(record.texts[which]);
  record.texts[which] = texts_.hold(text);
}

/// Names are those of the ReplicaSet with five letters more: only these are kept, where they fit.
void PodTable::set_name(Record& record, std::string_view name) {
  const std::string_view owner = text(record, kOwner);
  const std::string_view set = owner.substr(owner.find('/') + 1);
  const bool short_suffix = name.size() > set.size() + 1 && name.starts_with(set) &&
                            name[set.size()] == '-' &&
                            name.size() - set.size() - 1 < record.suffix.size();
  if (!short_suffix) return set_text(record, kName, name);
  const std::string_view suffix = name.substr(set.size() + 1);
  std::copy(suffix.begin(), suffix.end(), record.suffix.begin());
}

std::string PodTable::name_of(const Record& record) const {
  if (record.texts[kName] != 0) return std::string(text(record, kName));
  const std::string_view owner = text(record, kOwner);
  return fmt::format("{}-{}", owner.substr(owner.find('/') + 1), record.suffix.data());
}

void PodTable::release(const Record& record) {
  for (const Id id : record.texts) texts_.release(id);
}

void PodTable::read_spec(const json::object& pod, Record& record) {
  const auto* spec = object_at(pod, "spec");
  if (!spec) return;
  set_text(record, kNode, text_at(*spec, "nodeName"));
  std::string images;
  std::map<std::string, double, std::less<>> requests;
  each_object(array_at(*spec, "containers"), [&](const json::object& container) {
    images += fmt::format("{}={}\n", text_at(container, "name"), text_at(container, "image"));
    const auto* resources = object_at(container, "resources");
    const auto* asked = resources ? object_at(*resources, "requests") : nullptr;
    if (!asked) return;
    for (const auto& [name, value] : *asked) {
      const auto* text = value.if_string();
      const auto amount = text ? parse_quantity({text->data(), text->size()}) : std::nullopt;
      if (amount) requests[std::string(name)] += *amount;
    }
  });
  set_text(record, kImages, images);
  std::string lines;
  for (const auto& [name, amount] : requests) lines += fmt::format("{}={}\n", name, amount);
  set_text(record, kRequests, lines);
}

void PodTable::read_conditions(const json::object& status, Record& record) {
  each_object(array_at(status, "conditions"), [&](const json::object& condition) {
    const std::string_view type = text_at(condition, "type");
    const bool holds = text_at(condition, "status") == "True";
    if (type == "Ready") {
      record.flags |= kKnownReady;
      if (holds) {
        record.flags |= kReady;
        record.ready_since = seconds_of(text_at(condition, "lastTransitionTime"));
      }
    } else if (type == "PodScheduled") {
      if (holds) {
        record.scheduled = seconds_of(text_at(condition, "lastTransitionTime"));
      } else if (text_at(condition, "reason") == "SchedulingGated") {
        set_text(record, kStatusReason, "SchedulingGated");
      } else {
        record.flags |= kUnschedulable;
        set_text(record, kMessage, text_at(condition, "message").substr(0, kLongestMessage));
      }
    }
  });
}

void PodTable::read_containers(const json::object& status, Record& record) {
  const ContainerWords words = words_of(array_at(status, "containerStatuses"));
  const ContainerWords init = words_of(array_at(status, "initContainerStatuses"));
  record.restarts = words.restarts;
  record.init_restarts = init.restarts;
  set_text(record, kWaiting, words.waiting);
  set_text(record, kInitWaiting, init.waiting);
  const ContainerWords& ended = words.exit_code != INT32_MIN ? words : init;
  set_text(record, kLastTerminated, ended.last_terminated);
  record.exit_code =
      static_cast<int32_t>(std::clamp<int64_t>(ended.exit_code, INT32_MIN, INT32_MAX));
  const std::string& message = init.message.empty() ? words.message : init.message;
  if (!message.empty())
    set_text(record, kMessage, std::string_view(message).substr(0, kLongestMessage));
}

PodTable::Record PodTable::read(const json::object& pod) {
  Record record;
  const auto* metadata = object_at(pod, "metadata");
  if (!metadata) return record;
  const auto* owner = controller_of(*metadata);
  if (!owner || text_at(*owner, "kind") != "ReplicaSet") return record;
  set_text(record, kOwner,
           fmt::format("{}/{}", text_at(*metadata, "namespace"), text_at(*owner, "name")));
  set_name(record, text_at(*metadata, "name"));
  record.created = seconds_of(text_at(*metadata, "creationTimestamp"));
  if (metadata->if_contains("deletionTimestamp")) record.flags |= kTerminating;
  read_spec(pod, record);
  const auto* status = object_at(pod, "status");
  if (!status) return record;
  const auto phase = std::find(kPhases.begin(), kPhases.end(), text_at(*status, "phase"));
  record.phase = phase == kPhases.end() ? 0 : static_cast<uint8_t>(phase - kPhases.begin());
  set_text(record, kStatusReason, text_at(*status, "reason"));
  set_text(record, kMessage, text_at(*status, "message").substr(0, kLongestMessage));
  read_conditions(*status, record);
  read_containers(*status, record);
  return record;
}

void PodTable::chain(uint32_t slot) {
  Record& record = records_[slot];
  uint32_t& first = first_of_[record.texts[kOwner]];
  record.next = first;
  first = slot + 1;
}

void PodTable::unchain(uint32_t slot) {
  const auto chain = first_of_.find(records_[slot].texts[kOwner]);
  if (chain == first_of_.end()) return;
  uint32_t* link = &chain->second;
  while (*link != 0 && *link != slot + 1) link = &records_[*link - 1].next;
  if (*link == slot + 1) *link = records_[slot].next;
  if (chain->second == 0) first_of_.erase(chain);
}

void PodTable::note_restarts(uint32_t slot, const Record& before, const Record& after,
                             int64_t now) {
  if (after.restarts > before.restarts)
    restarts_[slot].push_back({now, after.restarts - before.restarts, false});
  if (after.init_restarts > before.init_restarts)
    restarts_[slot].push_back({now, after.init_restarts - before.init_restarts, true});
  const auto found = restarts_.find(slot);
  if (found == restarts_.end()) return;
  std::erase_if(found->second, [&](const Restart& r) { return now - r.at > kRestartWindowMs; });
  if (found->second.empty()) restarts_.erase(found);
}

std::vector<std::string> PodTable::put(const json::object& pod, int64_t now) {
  const auto* metadata = object_at(pod, "metadata");
  if (!metadata || text_at(*metadata, "name").empty()) return {};
  const uint64_t key = key_of(text_at(*metadata, "namespace"), text_at(*metadata, "name"));
  Record record = read(pod);
  record.listed = true;
  if (record.texts[kOwner] == 0) return remove(pod);  // a DaemonSet's, a Job's, nobody's
  const auto found = index_.find(key);
  if (found == index_.end()) {
    uint32_t slot = static_cast<uint32_t>(records_.size());
    if (free_.empty()) {
      records_.push_back(record);
    } else {
      slot = free_.back();
      free_.pop_back();
      records_[slot] = record;
    }
    index_.emplace(key, slot);
    chain(slot);
    return {std::string(text(record, kOwner))};
  }
  const uint32_t slot = found->second;
  Record& known = records_[slot];
  note_restarts(slot, known, record, now);
  if (known.same_evidence(record)) {
    known.listed = true;
    release(record);
    return {};
  }
  std::vector<std::string> changed{std::string(text(known, kOwner))};
  if (known.texts[kOwner] != record.texts[kOwner]) changed.emplace_back(text(record, kOwner));
  unchain(slot);
  release(known);
  known = record;
  chain(slot);
  return changed;
}

std::string PodTable::drop(uint64_t key, uint32_t slot) {
  std::string owner(text(records_[slot], kOwner));
  unchain(slot);
  release(records_[slot]);
  records_[slot] = Record{};
  restarts_.erase(slot);
  free_.push_back(slot);
  index_.erase(key);
  return owner;
}

std::vector<std::string> PodTable::remove(const json::object& pod) {
  const auto* metadata = object_at(pod, "metadata");
  if (!metadata) return {};
  const uint64_t key = key_of(text_at(*metadata, "namespace"), text_at(*metadata, "name"));
  const auto found = index_.find(key);
  if (found == index_.end()) return {};
  return {drop(key, found->second)};
}

void PodTable::begin_list() {
  for (Record& record : records_) record.listed = false;
}

std::vector<std::string> PodTable::end_list() {
  std::vector<std::pair<uint64_t, uint32_t>> gone;
  for (const auto& [key, slot] : index_) {
    if (!records_[slot].listed) gone.emplace_back(key, slot);
  }
  std::vector<std::string> changed;
  for (const auto& [key, slot] : gone) changed.push_back(drop(key, slot));
  return changed;
}

PodEvidence PodTable::evidence(uint32_t slot, int64_t now, model::TimestampMs at) const {
  const Record& record = records_[slot];
  const auto fact = [at](uint32_t value) -> MaybeFact {
    if (value == 0) return std::nullopt;
    return Fact{static_cast<double>(value), at};
  };
  const auto words = [this, &record](Text which) {
    std::vector<std::string> reasons;
    each_line(text(record, which), [&](std::string_view line) { reasons.emplace_back(line); });
    return reasons;
  };
  PodEvidence pod;
  pod.name = name_of(record);
  const std::string_view owner = text(record, kOwner);
  pod.replica_set = owner.substr(owner.find('/') + 1);
  pod.node = text(record, kNode);
  pod.phase = kPhases[record.phase];
  pod.status_reason = text(record, kStatusReason);
  if (record.flags & kKnownReady) pod.ready = record.flags & kReady ? Truth::True : Truth::False;
  pod.unschedulable = record.flags & kUnschedulable;
  pod.terminating = record.flags & kTerminating;
  pod.waiting = words(kWaiting);
  pod.init_waiting = words(kInitWaiting);
  pod.last_terminated = text(record, kLastTerminated);
  if (record.exit_code != kNoExitCode)
    pod.last_exit_code = Fact{static_cast<double>(record.exit_code), at};
  if (const auto found = restarts_.find(slot); found != restarts_.end()) {
    for (const Restart& restart : found->second) {
      if (now - restart.at <= kRestartWindowMs)
        (restart.init ? pod.init_restarts_10m : pod.restarts_10m) += restart.by;
    }
  }
  each_line(text(record, kRequests), [&](std::string_view line) {
    const size_t equals = line.rfind('=');
    pod.requests[std::string(line.substr(0, equals))] =
        parse_quantity(line.substr(equals + 1)).value_or(0);
  });
  pod.message = text(record, kMessage);
  pod.created = fact(record.created);
  pod.scheduled_time = fact(record.scheduled);
  pod.ready_time = fact(record.ready_since);
  each_line(text(record, kImages), [&](std::string_view line) {
    const size_t equals = line.find('=');
    pod.images[std::string(line.substr(0, equals))] = line.substr(equals + 1);
  });
  return pod;
}

std::vector<PodEvidence> PodTable::of(std::string_view space, std::string_view replica_set,
                                      int64_t now, model::TimestampMs at) const {
  std::vector<PodEvidence> pods;
  // The pool is asked through a text that is held anyway, if there is any such pod.
  const auto owner = texts_.find(fmt::format("{}/{}", space, replica_set));
  const auto chain = owner ? first_of_.find(*owner) : first_of_.end();
  if (chain == first_of_.end()) return pods;
  for (uint32_t next = chain->second; next != 0; next = records_[next - 1].next)
    pods.push_back(evidence(next - 1, now, at));
  std::sort(pods.begin(), pods.end(),
            [](const PodEvidence& a, const PodEvidence& b) { return a.name < b.name; });
  return pods;
}

std::vector<std::string> PodTable::replica_sets_on(std::string_view node) const {
  std::vector<std::string> found;
  const auto id = texts_.find(node);
  if (!id) return found;
  for (const auto& [key, slot] : index_) {
    if (records_[slot].texts[kNode] == *id) found.emplace_back(text(records_[slot], kOwner));
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

size_t PodTable::bytes() const {
  return records_.capacity() * sizeof(Record) + free_.capacity() * sizeof(uint32_t) +
         index_.bucket_count() * (sizeof(std::pair<uint64_t, uint32_t>) + 1) +
         first_of_.bucket_count() * (sizeof(std::pair<Id, uint32_t>) + 1);
}

}  // namespace aerie::clusters::kubernetes
