#include "tests/promql/series_text.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "model/sample.h"
#include "query/literals.h"
#include "tests/promql/histogram_text.h"

namespace aerie::promqltest {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

class SeriesParser {
 public:
  explicit SeriesParser(std::string_view line) : line_(line) {}

  Result<SeriesLine> parse() {
    SeriesLine result;
    if (auto status = labels(result.labels); !status) return std::move(status).error();
    while (position_ < line_.size()) {
      if (!is_space(line_[position_])) return fail("a space");
      skip_spaces();
      if (position_ == line_.size()) break;
      if (auto status = item(result.values); !status) return std::move(status).error();
    }
    return result;
  }

  Status labels(model::Labels& out) {
    model::LabelsBuilder builder;
    const std::string name(take_word());
    std::vector<std::pair<std::string, std::string>> pairs;
    if (at('{') && !at("{{")) {
      ++position_;
      for (skip_spaces(); !at('}'); skip_spaces()) {
        if (auto status = label(pairs); !status) return status;
        skip_spaces();
        if (at(',')) {
          ++position_;
        } else if (!at('}')) {
          return fail("\",\" or \"}\"");
        }
      }
      ++position_;
    }
    for (const auto& [label_name, value] : pairs) builder.set(label_name, value);
    if (!name.empty()) builder.set(model::kMetricName, name);
    out = builder.build();
    return {};
  }

 private:
  bool at(char c) const { return position_ < line_.size() && line_[position_] == c; }
  bool at(std::string_view text) const { return line_.substr(position_, text.size()) == text; }
  void skip_spaces() {
    while (position_ < line_.size() && is_space(line_[position_])) ++position_;
  }
  Error fail(std::string_view expected) const {
    return {ErrorCode::InvalidArgument,
            fmt::format("column {}: expected {} in {}", position_ + 1, expected, line_)};
  }

  std::string_view take_word() {
    const size_t start = position_;
    while (position_ < line_.size() &&
           (is_letter(line_[position_]) || is_digit(line_[position_]) || line_[position_] == ':'))
      ++position_;
    return line_.substr(start, position_ - start);
  }

  Result<std::string> quoted() {
    const size_t start = position_;
    const char quote = line_[position_++];
    while (position_ < line_.size() && line_[position_] != quote)
      position_ += quote != '`' && line_[position_] == '\\' ? 2 : 1;
    if (position_ >= line_.size()) return fail("a closing quote");
    ++position_;
    return query::unquote(line_.substr(start, position_ - start));
  }

  bool at_quote() const { return at('"') || at('\'') || at('`'); }

  Status label(std::vector<std::pair<std::string, std::string>>& pairs) {
    std::string name;
    const bool was_quoted = at_quote();
    if (was_quoted) {
      auto text = quoted();
      if (!text) return std::move(text).error();
      name = *text;
    } else {
      name = std::string(take_word());
    }
    skip_spaces();
    if (!at('=')) {
      if (!was_quoted) return fail("=");
      pairs.emplace_back(std::string(model::kMetricName), name);
      return {};
    }
    ++position_;
    skip_spaces();
    if (!at_quote()) return fail("a string");
    auto value = quoted();
    if (!value) return std::move(value).error();
    pairs.emplace_back(std::move(name), std::move(value).value());
    return {};
  }

  Status item(Sequence& out) {
    if (at('_')) {
      ++position_;
      uint64_t count = 1;
      if (at('x')) {
        auto given = repetitions();
        if (!given) return std::move(given).error();
        count = *given;
      }
      SequenceValue gap;
      gap.omitted = true;
      out.insert(out.end(), count, gap);
      return {};
    }
    return at("{{") ? histogram_item(out) : float_item(out);
  }

  Status float_item(Sequence& out) {
    auto value = number(true);
    if (!value) return std::move(value).error();
    double increment = 0;
    if (at('+') || at('-')) {
      auto given = number(false);
      if (!given) return std::move(given).error();
      increment = *given;
      if (!at('x')) return fail("x");
    }
    uint64_t count = 0;
    if (at('x')) {
      auto given = repetitions();
      if (!given) return std::move(given).error();
      count = *given;
    }
    double current = *value;
    for (uint64_t i = 0; i <= count; ++i) {
      SequenceValue entry;
      entry.value = current;
      out.push_back(entry);
      current += increment;  // a stale marker goes through as it is
      if (increment == 0) current = *value;
    }
    return {};
  }

  Status histogram_item(Sequence& out) {
    auto value = histogram();
    if (!value) return std::move(value).error();
    SequenceValue entry;
    entry.histogram = std::make_shared<model::NativeHistogram>(value->histogram);
    entry.reset_hint_written = value->reset_hint_written;
    std::optional<model::NativeHistogram> increment;
    bool subtract = false;
    if (at('+') || at('-')) {
      subtract = at('-');
      ++position_;
      auto given = histogram();
      if (!given) return std::move(given).error();
      increment = given->histogram;
      entry.reset_hint_written = given->reset_hint_written;
      if (!at('x')) return fail("x");
    }
    uint64_t count = 0;
    if (at('x')) {
      auto given = repetitions();
      if (!given) return std::move(given).error();
      count = *given;
    }
    for (uint64_t i = 0; i <= count; ++i) {
      out.push_back(entry);
      if (increment) {
        entry.histogram = std::make_shared<model::NativeHistogram>(
            combine(*entry.histogram, *increment, subtract ? -1.0 : 1.0));
      }
    }
    return {};
  }

  Result<HistogramText> histogram() {
    const size_t end = line_.find("}}", position_);
    if (!at("{{") || end == std::string_view::npos) return fail("{{ … }}");
    auto parsed = parse_histogram(line_.substr(position_ + 2, end - position_ - 2));
    position_ = end + 2;
    return parsed;
  }

  Result<uint64_t> repetitions() {
    ++position_;  // the x
    uint64_t count = 0;
    const char* begin = line_.data() + position_;
    const auto [stop, error] = std::from_chars(begin, line_.data() + line_.size(), count);
    if (error != std::errc() || count > 1'000'000) return fail("a count");
    position_ += static_cast<size_t>(stop - begin);
    return count;
  }

  /// A number, a duration in seconds or, at the beginning of an item, `stale`.
  Result<double> number(bool may_be_stale) {
    const bool negative = at('-');
    if (at('-') || at('+')) ++position_;
    const size_t start = position_;
    if (position_ < line_.size() && is_letter(line_[position_])) {
      std::string word;
      while (position_ < line_.size() && is_letter(line_[position_]) && line_[position_] != 'x')
        word += static_cast<char>(line_[position_++] | 0x20);
      if (word == "stale" && may_be_stale) return model::stale_marker();
      if (word == "inf")
        return negative ? -std::numeric_limits<double>::infinity()
                        : std::numeric_limits<double>::infinity();
      if (word == "nan") return std::numeric_limits<double>::quiet_NaN();
      return fail("number or \"stale\"");
    }
    bool duration = false;
    for (; position_ < line_.size(); ++position_) {
      const char c = line_[position_];
      if (is_digit(c) || c == '.') continue;
      const bool exponent = (c == 'e' || c == 'E') && position_ > start;
      if (exponent) {
        if (position_ + 1 < line_.size() &&
            (line_[position_ + 1] == '+' || line_[position_ + 1] == '-'))
          ++position_;
        continue;
      }
      if (c == 'x' || !is_letter(c)) break;
      duration = true;
    }
    const std::string_view text = line_.substr(start, position_ - start);
    double value = 0;
    if (duration) {
      const auto parsed = model::parse_duration(text);
      if (!parsed) return parsed.error();
      value = static_cast<double>(*parsed) / 1000;
    } else {
      const auto parsed = query::parse_number(text);
      if (!parsed) return parsed.error();
      value = *parsed;
    }
    return negative ? -value : value;
  }

  const std::string_view line_;
  size_t position_ = 0;
};

Result<model::DurationMs> parse_offset(std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  if (negative || (!text.empty() && text[0] == '+')) text.remove_prefix(1);
  auto parsed = model::parse_duration(text);
  if (parsed && negative) *parsed = -*parsed;
  return parsed;
}

/// `_`, `-1m`, `-1mx3` or `-1m-1mx3`.
Status add_offsets(std::string_view item, std::vector<std::optional<model::DurationMs>>& out) {
  uint64_t repetitions = 0;
  if (const size_t times = item.find('x'); times != std::string_view::npos) {
    const std::string_view count = item.substr(times + 1);
    const auto [end, error] =
        std::from_chars(count.data(), count.data() + count.size(), repetitions);
    if (error != std::errc() || end != count.data() + count.size() || repetitions > 1'000'000)
      return Error(ErrorCode::InvalidArgument, fmt::format("expected a count in {}", item));
    item = item.substr(0, times);
  }
  if (item == "_") {
    out.insert(out.end(), std::max<uint64_t>(repetitions, 1), std::nullopt);
    return {};
  }
  const size_t sign = item.find_first_of("+-", 1);
  auto offset = parse_offset(item.substr(0, sign));
  if (!offset) return std::move(offset).error();
  model::DurationMs increment = 0;
  if (sign != std::string_view::npos) {
    auto parsed = parse_offset(item.substr(sign));
    if (!parsed) return std::move(parsed).error();
    increment = *parsed;
  }
  for (uint64_t i = 0; i <= repetitions; ++i)
    out.emplace_back(*offset + static_cast<int64_t>(i) * increment);
  return {};
}

}  // namespace

Result<SeriesLine> parse_series_line(std::string_view line) { return SeriesParser(line).parse(); }

std::optional<double> parse_bare_number(std::string_view line) {
  std::string_view digits = line;
  const bool negative = !digits.empty() && digits[0] == '-';
  if (negative || (!digits.empty() && digits[0] == '+')) digits.remove_prefix(1);
  if (digits.empty() || digits[0] == '-' || digits[0] == '+') return std::nullopt;
  const auto value = query::parse_number(digits);
  if (!value) return std::nullopt;
  return negative ? -*value : *value;
}

bool is_starts_line(std::string_view line) {
  const size_t end = line.find_first_of(" \t");
  return end != std::string_view::npos && end >= 3 && line.substr(end - 3, 3) == "@st";
}

Result<StartsLine> parse_starts_line(std::string_view line) {
  StartsLine out;
  size_t at = line.find_first_of(" \t");
  if (auto status = SeriesParser(line.substr(0, at - 3)).labels(out.labels); !status)
    return std::move(status).error();
  while ((at = line.find_first_not_of(" \t", at)) != std::string_view::npos) {
    const size_t end = std::min(line.find_first_of(" \t", at), line.size());
    if (auto status = add_offsets(line.substr(at, end - at), out.before); !status)
      return std::move(status).error();
    at = end;
  }
  return out;
}

}  // namespace aerie::promqltest
