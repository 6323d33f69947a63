#include "server/retention_config.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <string>
#include <utility>

#include "model/matcher.h"
#include "model/time.h"

namespace aerie::server {
namespace {

constexpr std::string_view kUnits = "BKMGTPE";

Error bad_size(std::string_view text) {
  return Error(ErrorCode::InvalidArgument,
               fmt::format("\"{}\" is not a size; write it like 512MB, 10GB, 1.5TB", text));
}

Result<store::ClusterRetention> read_rule(const YamlNode& node) {
  if (auto known = node.expect_keys({"cluster", "time"}); !known) return std::move(known).error();
  const auto pattern = node.require("cluster");
  if (!pattern) return pattern.error();
  auto text = pattern->as_string();
  if (!text) return std::move(text).error();
  auto matcher = model::Matcher::make(model::MatchType::Regex, "cluster", std::move(*text));
  if (!matcher) return pattern->error(matcher.error().message());
  const auto time = node.require("time");
  if (!time) return time.error();
  const auto time_text = time->as_string();
  if (!time_text) return time_text.error();
  const auto duration = model::parse_duration(*time_text);
  if (!duration) return time->error(duration.error().message() + "; write it like 12h, 3d, 1d12h");
  // The head keeps what came within the last two hours together.
  constexpr model::DurationMs kLeast = 2LL * 3600 * 1000;
  if (*duration < kLeast) return time->error("time must be at least 2h");
  return store::ClusterRetention{std::move(*matcher), *duration};
}

}  // namespace

Result<std::vector<store::ClusterRetention>> read_retention(const YamlNode& node) {
  if (auto known = node.expect_keys({"clusters"}); !known) return std::move(known).error();
  const auto items = node.get_sequence("clusters");
  if (!items) return items.error();
  std::vector<store::ClusterRetention> rules;
  for (const YamlNode& item : *items) {
    auto rule = read_rule(item);
    if (!rule) return std::move(rule).error();
    rules.push_back(std::move(*rule));
  }
  return rules;
}

Result<uint64_t> parse_byte_size(std::string_view text) {
  if (text == "0") return uint64_t{0};
  double total = 0;
  for (std::string_view rest = text; !rest.empty() || text.empty();) {
    double number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (error != std::errc() || !(number >= 0)) return bad_size(text);
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    const size_t power = rest.empty() ? std::string_view::npos : kUnits.find(rest.front());
    if (power == std::string_view::npos) return bad_size(text);
    if (power > 0) rest.remove_prefix(1);
    if (power > 0 && rest.starts_with('i')) rest.remove_prefix(1);
    if (!rest.starts_with('B')) return bad_size(text);
    rest.remove_prefix(1);
    total += std::ldexp(number, static_cast<int>(10 * power));
  }
  if (!(total < 9.2e18)) return bad_size(text);
  return static_cast<uint64_t>(total);
}

}  // namespace aerie::server
