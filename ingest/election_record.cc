#include "ingest/election_record.h"

#include <fmt/core.h>

#include <charconv>

namespace aerie::ingest {
namespace {

template <class T>
bool take_number(std::string_view& text, T& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data() + text.size() || *end != ' ') return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()) + 1);
  return true;
}

}  // namespace

std::string election_key(const HaGroup& group) { return group.cluster + '\0' + group.group; }

std::string encode_election(const Election& election) {
  return fmt::format("1 {} {} {} {}", election.epoch, election.cut, election.since_ms,
                     election.replica);
}

Result<Election> decode_election(std::string_view key, std::string_view value) {
  Election election;
  int version = 0;
  const size_t zero = key.find('\0');
  const bool good = zero != std::string_view::npos && take_number(value, version) && version == 1 &&
                    take_number(value, election.epoch) && take_number(value, election.cut) &&
                    take_number(value, election.since_ms) && !value.empty();
  if (!good) return Error(ErrorCode::Corruption, "HA election record is not what we write");
  election.group = {std::string(key.substr(0, zero)), std::string(key.substr(zero + 1))};
  election.replica = value;
  return election;
}

}  // namespace aerie::ingest
