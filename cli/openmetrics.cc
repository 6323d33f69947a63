#include "cli/openmetrics.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <utility>
#include <vector>

#include "model/sample.h"

namespace aerie::cli {
namespace {

constexpr std::string_view kTypes[] = {"unknown",        "counter", "gauge", "histogram",
                                       "gaugehistogram", "summary", "info",  "stateset"};

std::optional<double> number_of(std::string_view text) {
  if (text == "NaN") return model::normal_nan();
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || std::isnan(value)) return {};
  return value;
}

/// Float seconds to whole milliseconds; nothing when they do not fit.
std::optional<model::TimestampMs> time_of(std::string_view text) {
  const auto seconds = number_of(text);
  if (!seconds || !(std::abs(*seconds) < 9e15)) return {};
  return static_cast<model::TimestampMs>(std::llround(*seconds * 1000));
}

/// The bytes of `{…}` at the start of `text`, quotes and escapes respected; 0 if it does not close.
size_t braces_length(std::string_view text) {
  bool quoted = false;
  for (size_t i = 1; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && text[i] == '}') {
      return i + 1;
    }
  }
  return 0;
}

/// Cuts the next word off `text`; words are parted by single spaces.
std::string_view take_word(std::string_view& text) {
  const size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

/// Undoes `\\`, `\"` and `\n`.
std::string unescape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    ++i;
    out += text[i] == 'n' ? '\n' : text[i];
  }
  return out;
}

Error bad_series(std::string_view text, std::string_view expected) {
  return Error(ErrorCode::InvalidArgument, fmt::format("expected {} in {}", expected, text));
}

/// Walks the inside of braces.
class PairReader {
 public:
  PairReader(std::string_view whole, std::string_view inside) : whole_(whole), rest_(inside) {}

  bool at_end() const { return rest_.empty(); }

  /// Reads `name="value"` or a quoted metric name, and the comma behind it.
  Result<std::pair<std::string, std::string>> next() {
    std::pair<std::string, std::string> pair;
    if (rest_.starts_with('"')) {
      auto quoted = take_quoted();
      if (!quoted) return std::move(quoted).error();
      pair.first = std::move(*quoted);
      if (!rest_.starts_with('=')) {
        pair.second = std::exchange(pair.first, std::string(model::kMetricName));
        return finish(std::move(pair));
      }
    } else {
      const size_t end = std::min(rest_.find('='), rest_.size());
      pair.first = std::string(rest_.substr(0, end));
      if (!model::is_legacy_label_name(pair.first)) return bad_series(whole_, "a label name");
      rest_.remove_prefix(end);
    }
    if (!rest_.starts_with("=\"")) return bad_series(whole_, "=\"value\" behind " + pair.first);
    rest_.remove_prefix(1);
    auto value = take_quoted();
    if (!value) return std::move(value).error();
    pair.second = std::move(*value);
    return finish(std::move(pair));
  }

 private:
  Result<std::string> take_quoted() {
    for (size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '\\') {
        ++i;
      } else if (rest_[i] == '"') {
        std::string text = unescape(rest_.substr(1, i - 1));
        rest_.remove_prefix(i + 1);
        if (!model::is_valid_utf8(text)) return bad_series(whole_, "UTF-8");
        return text;
      }
    }
    return bad_series(whole_, "a closing quote");
  }

  Result<std::pair<std::string, std::string>> finish(std::pair<std::string, std::string> pair) {
    if (!rest_.empty() && !rest_.starts_with(',')) return bad_series(whole_, "a comma or }");
    if (!rest_.empty()) rest_.remove_prefix(1);
    return pair;
  }

  const std::string_view whole_;
  std::string_view rest_;
};

}  // namespace

Error OpenMetricsReader::wrong(std::string_view expected) const {
  return Error(ErrorCode::InvalidArgument, fmt::format("line {}: expected {}, found {}", number_,
                                                       expected, line_.substr(0, 200)));
}

Result<std::optional<OpenMetricsSample>> OpenMetricsReader::next() {
  while (!ended_) {
    if (!std::getline(text_, line_)) {
      ++number_;
      line_ = "the end of the file";
      return wrong("# EOF as the last line (a file without it may be cut off)");
    }
    ++number_;
    bytes_ += line_.size() + 1;
    if (line_.starts_with('#')) {
      if (auto comment = read_comment(line_); !comment) return std::move(comment).error();
      continue;
    }
    auto sample = read_sample(line_);
    if (!sample) return std::move(sample).error();
    return std::optional(*sample);
  }
  return std::optional<OpenMetricsSample>();
}

std::vector<OpenMetricsFamily> OpenMetricsReader::take_families() {
  return std::exchange(finished_, {});
}

Status OpenMetricsReader::read_comment(std::string_view line) {
  if (line == "# EOF") {
    ended_ = true;
    if (!family_.name.empty()) finished_.push_back(std::exchange(family_, {}));
    return {};
  }
  take_word(line);
  const std::string_view keyword = take_word(line);
  std::string_view name = take_word(line);
  if (keyword != "TYPE" && keyword != "HELP" && keyword != "UNIT") return {};
  if (name.size() > 1 && name.starts_with('"') && name.ends_with('"'))
    name = name.substr(1, name.size() - 2);
  if (name.empty()) return wrong("a metric name behind " + std::string(keyword));
  if (family_.name != name) {
    if (!family_.name.empty()) finished_.push_back(std::move(family_));
    family_ = {std::string(name), {}};
  }
  if (keyword == "HELP") family_.metadata.help = unescape(line);
  if (keyword == "UNIT") family_.metadata.unit = std::string(line);
  if (keyword == "TYPE") {
    const auto* found = std::find(std::begin(kTypes), std::end(kTypes), line);
    if (found == std::end(kTypes)) return wrong("a metric type of OpenMetrics");
    family_.metadata.type = static_cast<model::MetricType>(found - std::begin(kTypes));
  }
  return {};
}

Result<OpenMetricsSample> OpenMetricsReader::read_sample(std::string_view line) const {
  OpenMetricsSample sample;
  const size_t name_end = std::min(line.find_first_of("{ "), line.size());
  size_t series_end = name_end;
  if (name_end < line.size() && line[name_end] == '{') {
    const size_t braces = braces_length(line.substr(name_end));
    if (braces == 0) return wrong("a closing }");
    series_end += braces;
  }
  if (series_end == 0) return wrong("a sample");
  sample.series = line.substr(0, series_end);
  std::string_view rest = line.substr(series_end);
  if (!rest.starts_with(' ')) return wrong("a space and a value behind the series");
  rest.remove_prefix(1);
  const auto value = number_of(take_word(rest));
  if (!value) return wrong("a number behind the series");
  sample.value = *value;
  const auto t = rest.starts_with('#') ? std::nullopt : time_of(take_word(rest));
  if (!t) return wrong("a timestamp in seconds behind the value");
  sample.t = *t;
  if (rest.empty()) return sample;
  if (!rest.starts_with("# {")) return wrong("the end of the line or an exemplar");
  rest.remove_prefix(2);
  const size_t braces = braces_length(rest);
  if (braces == 0 || rest.size() <= braces + 1 || rest[braces] != ' ')
    return wrong("an exemplar: # {labels} value [timestamp]");
  sample.exemplar_labels = rest.substr(0, braces);
  rest.remove_prefix(braces + 1);
  const auto exemplar_value = number_of(take_word(rest));
  if (!exemplar_value) return wrong("the exemplar's value");
  sample.exemplar_value = *exemplar_value;
  if (rest.empty()) return sample;
  sample.exemplar_t = time_of(take_word(rest));
  if (!sample.exemplar_t || !rest.empty()) return wrong("the exemplar's timestamp as last word");
  return sample;
}

Result<model::Labels> parse_series(std::string_view text) {
  const size_t open = std::min(text.find('{'), text.size());
  const std::string_view name = text.substr(0, open);
  std::vector<std::pair<std::string, std::string>> pairs;
  if (!name.empty()) {
    if (!model::is_legacy_metric_name(name))
      return bad_series(text, "a metric name (others are written {\"name\"})");
    pairs.emplace_back(model::kMetricName, name);
  }
  if (open < text.size()) {
    if (!text.ends_with('}')) return bad_series(text, "a closing }");
    PairReader reader(text, text.substr(open + 1, text.size() - open - 2));
    while (!reader.at_end()) {
      auto pair = reader.next();
      if (!pair) return std::move(pair).error();
      pairs.push_back(std::move(*pair));
    }
  }
  std::vector<model::LabelView> views;
  for (const auto& [label, value] : pairs) views.push_back({label, value});
  std::sort(views.begin(), views.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(
      views.begin(), views.end(), [](const auto& a, const auto& b) { return a.name == b.name; });
  if (twice != views.end())
    return bad_series(text, fmt::format("the label {} only once", twice->name));
  return model::Labels::from_pairs(std::move(views));
}

}  // namespace aerie::cli
