#include "ingest/negotiation.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <optional>
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
                           "(prometheus.WriteRequest or io.prometheus.write.v2.Request) in snappy "
                           "block format or zstd",
                           header, std::string(value)));
}

std::optional<WireFormat> format_named(std::string_view message) {
  if (message == "prometheus.WriteRequest") return WireFormat::RemoteWrite1;
  if (message == "io.prometheus.write.v2.Request") return WireFormat::RemoteWrite2;
  return std::nullopt;
}

Result<WireFormat> read_content_type(std::string_view content_type) {
  WireFormat format = WireFormat::RemoteWrite1;
  if (trimmed(content_type).empty()) return format;
  std::string_view rest = content_type;
  const auto next_part = [&rest] {
    const size_t end = rest.find(';');
    const std::string_view part = trimmed(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    return part;
  };
  if (!equal_ignoring_case(next_part(), "application/x-protobuf"))
    return unsupported("content type", content_type);
  while (!rest.empty()) {
    const std::string_view parameter = next_part();
    const size_t equals = parameter.find('=');
    if (equals == std::string_view::npos) return unsupported("content type", content_type);
    if (!equal_ignoring_case(trimmed(parameter.substr(0, equals)), "proto")) continue;
    const auto named = format_named(trimmed(parameter.substr(equals + 1)));
    if (!named) return unsupported("content type", content_type);
    format = *named;
  }
  return format;
}

}  // namespace

Result<BodyKind> negotiate(std::string_view content_type, std::string_view content_encoding) {
  const auto format = read_content_type(content_type);
  if (!format) return format.error();
  const std::string_view encoding = trimmed(content_encoding);
  if (encoding.empty() || equal_ignoring_case(encoding, "snappy"))
    return BodyKind{*format, BodyEncoding::Snappy};
  if (equal_ignoring_case(encoding, "zstd")) return BodyKind{*format, BodyEncoding::Zstd};
  return unsupported("content encoding", content_encoding);
}

Result<BodyKind> negotiate_otlp(std::string_view content_type, std::string_view content_encoding) {
  const auto refuse = [](const char* header, std::string_view value) {
    return Error(ErrorCode::InvalidArgument,
                 fmt::format("unsupported {}: {:?}; send OTLP metrics as application/x-protobuf, "
                             "with gzip or uncompressed",
                             header, std::string(value)));
  };
  const std::string_view type = trimmed(content_type.substr(0, content_type.find(';')));
  if (!equal_ignoring_case(type, "application/x-protobuf"))
    return refuse("content type", content_type);
  const std::string_view encoding = trimmed(content_encoding);
  if (encoding.empty() || equal_ignoring_case(encoding, "identity"))
    return BodyKind{WireFormat::Otlp, BodyEncoding::Identity};
  if (equal_ignoring_case(encoding, "gzip")) return BodyKind{WireFormat::Otlp, BodyEncoding::Gzip};
  return refuse("content encoding", content_encoding);
}

int retry_after_seconds(std::string_view retry_attempt, uint64_t random) {
  int attempt = 0;
  std::from_chars(retry_attempt.data(), retry_attempt.data() + retry_attempt.size(), attempt);
  const double seconds = std::min(30.0, 2.0 * static_cast<double>(1 << std::clamp(attempt, 0, 10)));
  const double spread = 0.5 + static_cast<double>(random % 1024) / 1023.0;
  return std::max(1, static_cast<int>(seconds * spread + 0.5));
}

}  // namespace aerie::ingest
