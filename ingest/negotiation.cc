#include "ingest/negotiation.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <string>

namespace aerie::ingest {
namespace {

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

Error unsupported(std::string_view header, std::string_view value) {
  return Error(ErrorCode::InvalidArgument,
               fmt::format("unsupported {}: {:?}; send application/x-protobuf "
                           "(prometheus.WriteRequest) in snappy block format",
                           header, std::string(value)));
}

}  // namespace

Status check_negotiation(std::string_view content_type, std::string_view content_encoding) {
  std::string_view rest = content_type;
  const auto next_part = [&rest] {
    const size_t end = rest.find(';');
    const std::string_view part = trimmed(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    return part;
  };
  if (!trimmed(content_type).empty()) {
    if (!equal_ignoring_case(next_part(), "application/x-protobuf"))
      return unsupported("content type", content_type);
    while (!rest.empty()) {
      const std::string_view parameter = next_part();
      const size_t equals = parameter.find('=');
      if (equals == std::string_view::npos) return unsupported("content type", content_type);
      const std::string_view name = trimmed(parameter.substr(0, equals));
      const std::string_view value = trimmed(parameter.substr(equals + 1));
      if (equal_ignoring_case(name, "proto") && value != "prometheus.WriteRequest")
        return unsupported("content type", content_type);
    }
  }
  if (!content_encoding.empty() && !equal_ignoring_case(content_encoding, "snappy"))
    return unsupported("content encoding", content_encoding);
  return {};
}

int retry_after_seconds(std::string_view retry_attempt, uint64_t random) {
  int attempt = 0;
  std::from_chars(retry_attempt.data(), retry_attempt.data() + retry_attempt.size(), attempt);
  const double seconds = std::min(30.0, 2.0 * static_cast<double>(1 << std::clamp(attempt, 0, 10)));
  const double spread = 0.5 + static_cast<double>(random % 1024) / 1023.0;
  return std::max(1, static_cast<int>(seconds * spread + 0.5));
}

}  // namespace aerie::ingest
