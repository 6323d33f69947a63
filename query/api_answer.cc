#include "query/api_answer.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "http/json_writer.h"
#include "model/go_text.h"
#include "query/literals.h"
#include "query/parser.h"

namespace aerie::query {
namespace {

constexpr size_t kShownNotices = 10;
constexpr size_t kPackedPiece = size_t{256} << 10;

struct ErrorKind {
  std::string_view type;
  int status;
};

ErrorKind kind_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::InvalidArgument:
    case ErrorCode::AlreadyExists: return {"bad_data", 400};
    case ErrorCode::Unauthenticated: return {"unauthorized", 401};
    case ErrorCode::PermissionDenied: return {"forbidden", 403};
    case ErrorCode::NotFound: return {"not_found", 404};
    case ErrorCode::Execution:
    case ErrorCode::ResourceExhausted: return {"execution", 422};
    case ErrorCode::Cancelled: return {"canceled", 499};
    case ErrorCode::DeadlineExceeded: return {"timeout", 503};
    case ErrorCode::Unavailable: return {"unavailable", 503};
    case ErrorCode::Internal:
    case ErrorCode::Corruption:
    case ErrorCode::IoError: break;
  }
  return {"internal", 500};
}

void append_notices(std::string& out, std::string_view key, std::string_view singular,
                    const std::vector<std::string>& notices) {
  if (notices.empty()) return;
  out += fmt::format(",\"{}\":[", key);
  for (size_t i = 0; i < notices.size() && i < kShownNotices; ++i) {
    if (i > 0) out += ',';
    http::append_json_string(out, notices[i]);
  }
  if (notices.size() > kShownNotices) {
    out += fmt::format(",\"{} more {} annotations omitted\"", notices.size() - kShownNotices,
                       singular);
  }
  out += ']';
}

std::optional<double> plain_float(std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  if (negative || (!text.empty() && text[0] == '+')) text.remove_prefix(1);
  if (text.empty() || text[0] == '-' || text[0] == '+') return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || std::isnan(value))
    return std::nullopt;
  return negative ? -value : value;
}

Error invalid(std::string text) { return {ErrorCode::InvalidArgument, std::move(text)}; }

}  // namespace

http::Response ApiAnswer::finish() && {
  append_notices(body_, "warnings", "warning", notices_.warnings);
  append_notices(body_, "infos", "info", notices_.infos);
  body_ += '}';
  if (packed_ == nullptr) return http::Response::json(200, std::move(body_));
  packed_->append(body_);
  http::Response response = http::Response::json(200, packed_->finish());
  response.headers.set("Content-Encoding", packed_->name());
  response.headers.set("Vary", "Accept-Encoding");
  return response;
}

void ApiAnswer::pack() {
  if (coding_ == http::Coding::Identity || body_.size() < kPackedPiece) return;
  if (packed_ == nullptr) packed_ = std::make_unique<http::StreamCompressor>(coding_);
  packed_->append(body_);
  body_.clear();
}

http::Response error_answer(const Error& error) {
  const ErrorKind kind = kind_of(error.code());
  return http::Response::json(kind.status, http::error_envelope(kind.type, error.message()));
}

http::Response bad_parameter(std::string_view name, const Error& error) {
  return error_answer(invalid(fmt::format("invalid parameter \"{}\": {}", name, error.message())));
}

Result<size_t> limit_parameter(const http::Parameters& params) {
  const std::string_view text = params.get("limit");
  if (text.empty()) return size_t{0};
  std::string_view digits = text;
  if (digits.front() == '+') digits.remove_prefix(1);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc::result_out_of_range) {
    return invalid(
        fmt::format("strconv.Atoi: parsing {}: value out of range", model::go_quote(text)));
  }
  if (error != std::errc() || end != digits.data() + digits.size())
    return invalid(fmt::format("strconv.Atoi: parsing {}: invalid syntax", model::go_quote(text)));
  if (value < 0) return invalid("limit must be non-negative");
  return static_cast<size_t>(value);
}

Result<model::TimestampMs> time_parameter(const http::Parameters& params, std::string_view name,
                                          std::optional<model::TimestampMs> fallback) {
  const std::string_view text = params.get(name);
  if (text.empty() && fallback) return *fallback;
  auto parsed = model::parse_timestamp(text);
  if (parsed || !fallback) return parsed;
  return std::move(parsed).error().with(fmt::format("invalid time value for '{}'", name));
}

Result<double> duration_seconds(std::string_view text) {
  if (const auto seconds = plain_float(text)) {
    if (std::fabs(*seconds * 1e9) > 9223372036854775807.0) {
      return invalid(fmt::format("cannot parse {} to a valid duration. It overflows int64",
                                 model::go_quote(text)));
    }
    return *seconds;
  }
  const auto duration = model::parse_duration(text);
  if (duration) return static_cast<double>(*duration) / 1000;
  return invalid(fmt::format("cannot parse {} to a valid duration", model::go_quote(text)));
}

Result<std::vector<model::Matchers>> match_parameters(const http::Parameters& params) {
  std::vector<model::Matchers> out;
  for (const std::string& text : params.all("match[]")) {
    auto matchers = parse_selector(text);
    if (!matchers) return std::move(matchers).error();
    out.push_back(std::move(matchers).value());
  }
  return out;
}

TimeRangeParameter range_parameters(const http::Parameters& params) {
  TimeRangeParameter out;
  const auto start = time_parameter(params, "start", model::kMinTimestamp);
  if (!start) {
    out.refusal = bad_parameter("start", start.error());
    return out;
  }
  const auto end = time_parameter(params, "end", model::kMaxTimestamp);
  if (!end) {
    out.refusal = bad_parameter("end", end.error());
    return out;
  }
  out.range = {*start, *end};
  return out;
}

std::string unescape_name(std::string_view name) {
  constexpr std::string_view kPrefix = "U__";
  if (name.substr(0, kPrefix.size()) != kPrefix) return std::string(name);
  const std::string_view escaped = name.substr(kPrefix.size());
  std::string out;
  for (size_t i = 0; i < escaped.size(); ++i) {
    if (escaped[i] != '_') {
      out += escaped[i];
      continue;
    }
    const size_t end = escaped.find('_', ++i);
    if (end == std::string_view::npos || end - i > 6) return std::string(name);
    if (end == i) {  // two underscores stand for one
      out += '_';
      continue;
    }
    uint32_t code = 0;
    for (; i < end; ++i) {
      const uint32_t digit = hex_digit(escaped[i]);
      if (digit > 15) return std::string(name);
      code = code * 16 + digit;
    }
    if (code > kMaxCodePoint || (code >= 0xD800 && code < 0xE000)) return std::string(name);
    model::append_utf8(out, code);
  }
  return out;
}

}  // namespace aerie::query
