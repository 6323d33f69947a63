// What exists: series, labels, their values, metadata.

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "http/json_writer.h"
#include "query/api.h"
#include "query/api_answer.h"
#include "query/result_json.h"

namespace aerie::query {
namespace {

Error invalid(std::string text) { return {ErrorCode::InvalidArgument, std::move(text)}; }

http::Response string_list(std::vector<std::string> strings, size_t limit) {
  ApiAnswer answer;
  if (limit > 0 && strings.size() > limit) {
    strings.resize(limit);
    answer.warn(std::string(kTruncated));
  }
  answer.data() += '[';
  for (size_t i = 0; i < strings.size(); ++i) {
    if (i > 0) answer.data() += ',';
    http::append_json_string(answer.data(), strings[i]);
  }
  answer.data() += ']';
  return std::move(answer).finish();
}

/// The sorted union of what `look_up` finds for each selector, or for none.
template <class LookUp>
Result<std::vector<std::string>> union_of(const std::vector<model::Matchers>& selectors,
                                          const LookUp& look_up) {
  if (selectors.empty()) return look_up(model::Matchers{});
  if (selectors.size() == 1) return look_up(selectors[0]);
  std::set<std::string> all;
  for (const auto& matchers : selectors) {
    auto found = look_up(matchers);
    if (!found) return std::move(found).error();
    for (auto& text : *found) all.insert(std::move(text));
  }
  return std::vector<std::string>(all.begin(), all.end());
}

/// True if the family has a series among the sorted metric names: its own, or of its parts.
bool shows_family(const std::vector<std::string>& metrics, std::string_view family) {
  const auto first = std::lower_bound(metrics.begin(), metrics.end(), family);
  for (auto name = first; name != metrics.end() && name->starts_with(family); ++name) {
    const std::string_view rest = std::string_view(*name).substr(family.size());
    for (const std::string_view part :
         {"", "_total", "_bucket", "_sum", "_count", "_created", "_info"})
      if (rest == part) return true;
  }
  return false;
}

/// A number that may be negative: then there is no limit.
Result<int64_t> count_parameter(const http::Parameters& params, std::string_view name) {
  const std::string_view text = params.get(name);
  if (text.empty()) return int64_t{-1};
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  return invalid(std::string(name) + " must be a number");
}

}  // namespace

http::Response QueryApi::series(const http::Request& request, const View& view) const {
  if (!request.params.has("match[]")) return error_answer(invalid("no match[] parameter provided"));
  const auto limit = limit_parameter(request.params);
  if (!limit) return bad_parameter("limit", limit.error());
  const auto times = range_parameters(request.params);
  if (times.refusal) return *times.refusal;
  const auto selectors = match_parameters(request.params);
  if (!selectors) return bad_parameter("match[]", selectors.error());
  std::vector<std::unique_ptr<model::Selection>> selections;  // keep the labels
  std::vector<const model::Labels*> found;
  for (const auto& matchers : *selectors) {
    auto selection = view.source.select(matchers, times.range);
    if (!selection) return error_answer(selection.error());
    // Both are sorted, so what lies beyond the limit of one selector lies beyond that of all.
    const size_t count = (*selection)->size();
    const size_t wanted = *limit > 0 ? std::min(count, *limit + 1) : count;
    const auto middle = static_cast<std::ptrdiff_t>(found.size());
    for (size_t i = 0; i < wanted; ++i) found.push_back(&(*selection)->labels(i));
    std::inplace_merge(found.begin(), found.begin() + middle, found.end(),
                       [](const auto* a, const auto* b) { return *a < *b; });
    selections.push_back(std::move(*selection));
  }
  found.erase(std::unique(found.begin(), found.end(),
                          [](const auto* a, const auto* b) { return *a == *b; }),
              found.end());
  ApiAnswer answer;
  answer.data() += '[';
  size_t shown = 0;
  for (const auto* labels : found) {
    if (*limit > 0 && shown == *limit) {
      answer.warn(std::string(kTruncated));
      break;
    }
    if (shown++ > 0) answer.data() += ',';
    append_labels(answer.data(), *labels);
  }
  answer.data() += ']';
  return std::move(answer).finish();
}

http::Response QueryApi::label_names(const http::Request& request, const View& view) const {
  const auto limit = limit_parameter(request.params);
  if (!limit) return bad_parameter("limit", limit.error());
  const auto times = range_parameters(request.params);
  if (times.refusal) return *times.refusal;
  const auto selectors = match_parameters(request.params);
  if (!selectors) return error_answer(selectors.error());
  auto names = union_of(*selectors, [&](const model::Matchers& matchers) {
    return view.source.label_names(matchers, times.range);
  });
  if (!names) return error_answer(names.error());
  return string_list(std::move(names).value(), *limit);
}

http::Response QueryApi::label_values(const http::Request& request, const View& view) const {
  const auto param = request.path_params.find("name");
  const std::string name =
      unescape_name(param == request.path_params.end() ? std::string() : param->second);
  if (name.empty() || !model::is_valid_utf8(name))
    return error_answer(invalid("invalid label name: " + model::go_quote(name)));
  const auto limit = limit_parameter(request.params);
  if (!limit) return bad_parameter("limit", limit.error());
  const auto times = range_parameters(request.params);
  if (times.refusal) return *times.refusal;
  const auto selectors = match_parameters(request.params);
  if (!selectors) return error_answer(selectors.error());
  auto values = union_of(*selectors, [&](const model::Matchers& matchers) {
    return view.source.label_values(name, matchers, times.range);
  });
  if (!values) return error_answer(values.error());
  return string_list(std::move(values).value(), *limit);
}

http::Response QueryApi::metadata(const http::Request& request, const View& view) const {
  const auto limit = count_parameter(request.params, "limit");
  if (!limit) return error_answer(limit.error());
  const auto per_metric = count_parameter(request.params, "limit_per_metric");
  if (!per_metric) return error_answer(per_metric.error());
  std::map<std::string, std::vector<model::MetricMetadata>> families;
  Result<std::vector<std::string>> visible = std::vector<std::string>();
  if (!view.scope.empty()) {
    visible = view.source.label_values(model::kMetricName, {},
                                       {model::kMinTimestamp, model::kMaxTimestamp});
  }
  if (!visible) return error_answer(visible.error());
  for (auto& row : store_.metadata(request.params.get("metric"))) {
    if (!view.scope.empty() && !shows_family(*visible, row.metric_family)) continue;
    auto& entries = families[row.metric_family];
    const bool full = *per_metric > 0 && entries.size() >= static_cast<size_t>(*per_metric);
    if (!full && std::find(entries.begin(), entries.end(), row.metadata) == entries.end())
      entries.push_back(std::move(row.metadata));
  }
  ApiAnswer answer;
  http::JsonWriter json(answer.data());
  json.begin_object();
  int64_t shown = 0;
  for (const auto& [family, entries] : families) {
    if (*limit >= 0 && shown++ >= *limit) break;
    json.key(family).begin_array();
    for (const auto& entry : entries) {
      json.begin_object()
          .field("type", model::metric_type_name(entry.type))
          .field("help", entry.help)
          .field("unit", entry.unit)
          .end_object();
    }
    json.end_array();
  }
  json.end_object();
  return std::move(answer).finish();
}

}  // namespace aerie::query
