#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "clusters/verdict.h"

namespace aerie::clusters {

namespace {

std::string standing_text(const Memory::Standing& s) {
  return fmt::format("{} {} {}", s.since, phase_name(s.phase), s.reason);
}

/// Cuts the next word off `rest`; the last field takes what remains.
std::string_view word(std::string_view& rest) {
  const size_t end = rest.find(' ');
  const std::string_view result = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return result;
}

std::optional<int64_t> number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Memory::Standing> parse_standing(std::string_view text) {
  const auto since = number(word(text));
  const auto phase = parse_phase(word(text));
  if (!since || !phase) return std::nullopt;
  return Memory::Standing{*phase, std::string(text), *since};
}

void parse_cause_line(std::string_view text, Memory& memory) {
  const auto kind = parse_cause(word(text));
  const auto first = number(word(text));
  const auto absent = word(text);
  const auto decisive = word(text);
  if (!kind || !first) return;
  Memory::Seen seen{*first, number(absent), std::string(text), decisive == "decisive"};
  memory.causes[*kind] = std::move(seen);
}

void parse_progress(std::string_view text, Memory& memory) {
  Memory::Progress p;
  int64_t* const fields[] = {&p.at, &p.updated, &p.old, &p.ready, &p.available};
  for (int64_t* field : fields) {
    const auto value = number(word(text));
    if (!value) return;
    *field = *value;
  }
  p.of = text;
  memory.progress = std::move(p);
}

void parse_rollout(std::string_view text, Memory& memory) {
  const auto began = number(word(text));
  if (!began) return;
  Memory::Rollout rollout{*began};
  rollout.first_pod = text.find('p') != std::string_view::npos;
  rollout.first_ready = text.find('r') != std::string_view::npos;
  rollout.half_ready = text.find('h') != std::string_view::npos;
  memory.rollout = rollout;
}

void parse_line(std::string_view key, std::string_view text, Memory& memory) {
  if (key == "standing") memory.standing = parse_standing(text);
  if (key == "last_known") memory.last_known = parse_standing(text);
  if (key == "cause") parse_cause_line(text, memory);
  if (key == "progress") parse_progress(text, memory);
  if (key == "replica_set") memory.replica_set = text;
  if (key == "spec_replicas") memory.spec_replicas = number(text);
  if (key == "generation") memory.generation = number(text);
  if (key == "rollout") parse_rollout(text, memory);
  if (key == "last_complete") memory.last_complete = number(text);
  if (key == "short_since") memory.short_since = number(text);
  if (key == "completed") {
    if (const auto replicas = number(word(text))) memory.completed = {*replicas, std::string(text)};
  }
}

}  // namespace

std::string Memory::encode() const {
  std::string out;
  const auto line = [&](std::string_view key, std::string value) {
    // Names and reasons come from the network: a line break must not become a line of ours.
    std::replace(value.begin(), value.end(), '\n', ' ');
    out += fmt::format("{}={}\n", key, value);
  };
  if (standing) line("standing", standing_text(*standing));
  if (last_known) line("last_known", standing_text(*last_known));
  for (const auto& [kind, seen] : causes) {
    line("cause", fmt::format("{} {} {} {} {}", cause_name(kind), seen.first,
                              seen.absent_since ? std::to_string(*seen.absent_since) : "-",
                              seen.decisive ? "decisive" : "-", seen.detail));
  }
  if (completed)
    line("completed", fmt::format("{} {}", completed->replicas, completed->replica_set));
  if (progress) {
    line("progress",
         fmt::format("{} {} {} {} {} {}", progress->at, progress->updated, progress->old,
                     progress->ready, progress->available, progress->of));
  }
  if (!replica_set.empty()) line("replica_set", replica_set);
  if (spec_replicas) line("spec_replicas", std::to_string(*spec_replicas));
  if (generation) line("generation", std::to_string(*generation));
  if (rollout) {
    line("rollout", fmt::format("{} {}{}{}", rollout->began, rollout->first_pod ? "p" : "",
                                rollout->first_ready ? "r" : "", rollout->half_ready ? "h" : ""));
  }
  if (last_complete) line("last_complete", std::to_string(*last_complete));
  if (short_since) line("short_since", std::to_string(*short_since));
  return out;
}

Memory Memory::decode(std::string_view text) {
  Memory memory;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view row = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    const size_t equals = row.find('=');
    if (equals == std::string_view::npos) continue;
    parse_line(row.substr(0, equals), row.substr(equals + 1), memory);
  }
  return memory;
}

}  // namespace aerie::clusters
