// /api/v1/search/…: names and values for completion, as lines of JSON in batches.

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <limits>
#include <map>
#include <utility>

#include "http/json_writer.h"
#include "query/api.h"
#include "query/api_answer.h"
#include "query/text_score.h"

namespace aerie::query {
namespace {

constexpr size_t kMaxTerms = 32;
constexpr model::DurationMs kDefaultSpan = 3600LL * 1000;

Error invalid(std::string text) { return {ErrorCode::InvalidArgument, std::move(text)}; }

struct SearchRequest {
  std::vector<model::Matchers> selectors;
  std::vector<std::string> terms;  // folded unless the case counts
  double threshold = 0;
  bool subsequence = true;
  bool case_sensitive = true;
  bool by_score = false;
  bool descending = false;
  bool include_score = false;
  model::TimeRange range;
  size_t limit = 100;
  size_t batch_size = 100;
};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

Result<bool> flag(const http::Parameters& params, std::string_view name, bool fallback) {
  const std::string_view text = params.get(name);
  if (text.empty()) return fallback;
  for (const std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"})
    if (text == yes) return true;
  for (const std::string_view no : {"0", "f", "F", "false", "FALSE", "False"})
    if (text == no) return false;
  return invalid(fmt::format("invalid {} {}: must be boolean", name, model::go_quote(text)));
}

/// A number within [least, most]; `fallback` when absent.
Result<int64_t> number(const http::Parameters& params, std::string_view name, int64_t fallback,
                       std::pair<int64_t, int64_t> bounds, std::string_view must) {
  const std::string_view text = params.get(name);
  if (text.empty()) return fallback;
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || value < bounds.first ||
      value > bounds.second)
    return invalid(fmt::format("invalid {} {}: {}", name, model::go_quote(text), must));
  return value;
}

Status read_terms(const http::Parameters& params, SearchRequest& out) {
  const auto threshold = number(params, "fuzz_threshold", 0, {0, 100}, "must be 0-100");
  if (!threshold) return threshold.error();
  out.threshold = static_cast<double>(*threshold) / 100;
  const std::string_view algorithm = params.get("fuzz_alg");
  if (!algorithm.empty() && algorithm != "subsequence" && algorithm != "jarowinkler")
    return invalid(fmt::format("unsupported fuzz_alg {}: must be one of [subsequence jarowinkler]",
                               model::go_quote(algorithm)));
  out.subsequence = algorithm != "jarowinkler";
  const auto case_sensitive = flag(params, "case_sensitive", true);
  if (!case_sensitive) return case_sensitive.error();
  out.case_sensitive = *case_sensitive;
  const auto terms = params.all("search[]");
  if (terms.size() > kMaxTerms)
    return invalid(
        fmt::format("too many search[] terms: got {}, maximum is {}", terms.size(), kMaxTerms));
  for (const std::string& term : terms)
    if (!term.empty()) out.terms.push_back(out.case_sensitive ? term : lower(term));
  return {};
}

Status read_order(const http::Parameters& params, std::string_view endpoint, SearchRequest& out) {
  const std::string_view by = params.get("sort_by");
  const std::string_view direction = params.get("sort_dir");
  if (!direction.empty() && by.empty())
    return invalid("sort_dir is only valid when sort_by is set");
  if (!direction.empty() && by == "score")
    return invalid("sort_dir is not supported for sort_by=score");
  if (!direction.empty() && direction != "asc" && direction != "dsc")
    return invalid(
        fmt::format("invalid sort_dir {}: must be \"asc\" or \"dsc\"", model::go_quote(direction)));
  if (by == "score" && params.all("search[]").empty())
    return invalid("sort_by=score requires search[] to be set");
  if (!by.empty() && by != "alpha" && by != "score")
    return invalid(fmt::format("invalid sort_by {} for {}: must be \"alpha\" or \"score\"",
                               model::go_quote(by), endpoint));
  out.by_score = by == "score";
  out.descending = direction == "dsc";
  const auto include = flag(params, "include_score", false);
  if (!include) return include.error();
  out.include_score = *include;
  return {};
}

Status read_sizes(const http::Parameters& params, size_t max_limit, SearchRequest& out) {
  constexpr std::string_view kPositive = "must be a positive integer";
  const auto most = std::numeric_limits<int64_t>::max();
  const auto usual = static_cast<int64_t>(std::min(out.limit, max_limit));
  const auto limit = number(params, "limit", usual, {1, most}, kPositive);
  if (!limit) return limit.error();
  out.limit = static_cast<size_t>(*limit);
  if (out.limit > max_limit)
    return invalid(
        fmt::format("limit {} exceeds the configured maximum ({}, see --web.search.max-limit)",
                    out.limit, max_limit));
  const auto batch = number(params, "batch_size", 100, {1, most}, kPositive);
  if (!batch) return batch.error();
  out.batch_size = static_cast<size_t>(*batch);
  return {};
}

Result<SearchRequest> read_request(const http::Parameters& params, std::string_view endpoint,
                                   model::TimestampMs now, size_t max_limit) {
  SearchRequest out;
  const auto start = time_parameter(params, "start", now - kDefaultSpan);
  if (!start) return start.error();
  const auto end = time_parameter(params, "end", now);
  if (!end) return end.error();
  if (*end < *start) return invalid("end timestamp must not be before start timestamp");
  out.range = {*start, *end};
  auto selectors = match_parameters(params);
  if (!selectors) return std::move(selectors).error();
  out.selectors = std::move(*selectors);
  if (auto read = read_terms(params, out); !read) return std::move(read).error();
  if (auto read = read_order(params, endpoint, out); !read) return std::move(read).error();
  if (auto read = read_sizes(params, max_limit, out); !read) return std::move(read).error();
  return out;
}

struct Found {
  std::string text;
  double score = 1;
};

/// The best score over the terms; 0: not wanted.
double score_of(const SearchRequest& request, std::string_view candidate) {
  if (request.terms.empty()) return 1;
  const std::string folded = request.case_sensitive ? std::string() : lower(candidate);
  const std::string_view text = request.case_sensitive ? candidate : std::string_view(folded);
  double best = 0;
  for (const std::string& term : request.terms) {
    double score = 0;
    if (request.subsequence) {
      score = subsequence_score(term, text);
      if (score < request.threshold) score = 0;
    } else {
      score = substring_score(term, text);
      if (score == 0 && request.threshold > 0) {
        score = jaro_winkler_score(term, text);
        if (score < request.threshold) score = 0;
      }
    }
    best = std::max(best, score);
  }
  return best;
}

using LookUp = std::function<Result<std::vector<std::string>>(const model::Matchers&)>;

Result<std::vector<Found>> find(const SearchRequest& request, const LookUp& look_up) {
  std::map<std::string, double> all;
  static const std::vector<model::Matchers> kEverything{{}};
  for (const auto& matchers : request.selectors.empty() ? kEverything : request.selectors) {
    auto texts = look_up(matchers);
    if (!texts) return std::move(texts).error();
    for (std::string& text : *texts)
      if (const double score = score_of(request, text); score > 0)
        all.try_emplace(std::move(text), score);
  }
  std::vector<Found> out;
  out.reserve(all.size());
  for (auto& [text, score] : all) out.push_back({text, score});
  if (request.by_score)
    std::stable_sort(out.begin(), out.end(),
                     [](const Found& a, const Found& b) { return a.score > b.score; });
  if (request.descending) std::reverse(out.begin(), out.end());
  return out;
}

using Describe = std::function<void(http::JsonWriter&, const std::string&)>;

http::Response in_batches(const SearchRequest& request, const std::vector<Found>& found,
                          std::string_view key, const Describe& describe) {
  http::Response response;
  response.headers.set("Content-Type", "application/x-ndjson; charset=utf-8");
  const size_t shown = std::min(found.size(), request.limit);
  size_t next = 0;
  do {
    http::JsonWriter json(response.body);
    json.begin_object().key("results").begin_array();
    for (const size_t end = std::min(shown, next + request.batch_size); next < end; ++next) {
      json.begin_object().field(key, found[next].text);
      if (request.include_score) json.key("score").number(found[next].score);
      if (describe) describe(json, found[next].text);
      json.end_object();
    }
    json.end_array().end_object();
    response.body += '\n';
  } while (next < shown);
  http::JsonWriter(response.body)
      .begin_object()
      .field("status", "success")
      .key("has_more")
      .boolean(found.size() > shown)
      .end_object();
  response.body += '\n';
  return response;
}

}  // namespace

http::Response QueryApi::search_metric_names(const http::Request& request, const View& view) const {
  const auto asked =
      read_request(request.params, "metric_names", clock_.now_ms(), options_.search_max_limit);
  if (!asked) return error_answer(asked.error());
  const auto with_metadata = flag(request.params, "include_metadata", false);
  if (!with_metadata) return error_answer(with_metadata.error());
  const auto found = find(*asked, [&](const model::Matchers& matchers) {
    return view.source.label_values(model::kMetricName, matchers, asked->range);
  });
  if (!found) return error_answer(found.error());
  std::map<std::string, model::MetricMetadata> metadata;
  if (*with_metadata) {
    for (auto& row : store_.metadata({}))
      metadata.try_emplace(row.metric_family, std::move(row.metadata));
  }
  return in_batches(*asked, *found, "name", [&](http::JsonWriter& json, const std::string& name) {
    const auto known = metadata.find(name);
    if (known == metadata.end()) return;
    json.field("type", model::metric_type_name(known->second.type));
    if (!known->second.help.empty()) json.field("help", known->second.help);
    if (!known->second.unit.empty()) json.field("unit", known->second.unit);
  });
}

http::Response QueryApi::search_label_names(const http::Request& request, const View& view) const {
  const auto asked =
      read_request(request.params, "label_names", clock_.now_ms(), options_.search_max_limit);
  if (!asked) return error_answer(asked.error());
  const auto found = find(*asked, [&](const model::Matchers& matchers) {
    return view.source.label_names(matchers, asked->range);
  });
  if (!found) return error_answer(found.error());
  return in_batches(*asked, *found, "name", {});
}

http::Response QueryApi::search_label_values(const http::Request& request, const View& view) const {
  const auto asked =
      read_request(request.params, "label_values", clock_.now_ms(), options_.search_max_limit);
  if (!asked) return error_answer(asked.error());
  const std::string label = unescape_name(request.params.get("label"));
  if (label.empty()) return error_answer(invalid("missing required parameter \"label\""));
  if (!model::is_valid_utf8(label))
    return error_answer(invalid("invalid label name: " + model::go_quote(label)));
  const auto found = find(*asked, [&](const model::Matchers& matchers) {
    return view.source.label_values(label, matchers, asked->range);
  });
  if (!found) return error_answer(found.error());
  return in_batches(*asked, *found, "value", {});
}

}  // namespace aerie::query
