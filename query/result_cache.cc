#include "query/result_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "query/parser.h"
#include "query/row.h"

namespace aerie::query {
namespace {

constexpr std::array<std::string_view, 5> kStates = {"bypass", "unusable", "miss", "partial",
                                                     "hit"};
constexpr size_t kBytesPerColumn = 96;  // beside labels and values

bool is_plain(const QueryResult& result) {
  if (result.streamed || result.range_dependent || !result.annotations.warnings.empty() ||
      !result.annotations.infos.empty())
    return false;
  const auto& matrix = std::get<MatrixValue>(result.value);
  return std::all_of(matrix.begin(), matrix.end(),
                     [](const MatrixSeries& series) { return series.histograms.empty(); });
}

/// Of `steps`, those from `first` on.
Steps from(const Steps& steps, size_t first) {
  return {steps.at(first), steps.step, steps.count - first};
}

}  // namespace

ResultCache::ResultCache(Options options, const Engine& engine, const store::Changes* changes)
    : engine_(engine),
      changes_(changes),
      limit_bytes_(changes == nullptr ? 0 : options.limit_bytes),
      answers_(limit_bytes_) {
  if (options.metrics == nullptr) return;
  const auto counter = [&](const std::string& name, const char* help, const char* label,
                           std::string_view value) {
    return &options.metrics->counter(name, help, {{label, std::string(value)}});
  };
  constexpr const char* kSteps = "aerie_query_cache_steps_total";
  constexpr const char* kStepsHelp = "Steps of range queries taken from the cache, or evaluated.";
  meters_.steps_reused = counter(kSteps, kStepsHelp, "source", "cache");
  meters_.steps_evaluated = counter(kSteps, kStepsHelp, "source", "evaluation");
  for (size_t i = 0; i < kStates.size(); ++i)
    meters_.queries[i] = counter("aerie_query_cache_queries_total",
                                 "Range queries by what the cache did.", "state", kStates[i]);
  options.metrics->gauge_callback("aerie_query_cache_bytes", "Size of the remembered answers.", {},
                                  [this] { return static_cast<double>(bytes()); });
}

std::optional<ResultCache::Asked> ResultCache::asked(const Expr& expr, const Range& range,
                                                     std::string_view scope,
                                                     const QueryLimits& limits) const {
  if (limit_bytes_ == 0 || range.step <= 0 || range.end < range.start) return std::nullopt;
  const model::DurationMs lookback =
      limits.lookback > 0 ? limits.lookback : engine_.options().lookback;
  auto dependence = dependence_of(expr, lookback, engine_.options().features);
  if (!dependence) return std::nullopt;
  const auto count =
      static_cast<size_t>((static_cast<uint64_t>(range.end) - static_cast<uint64_t>(range.start)) /
                          static_cast<uint64_t>(range.step)) +
      1;
  std::string key(scope);
  fmt::format_to(std::back_inserter(key), "{}{},{},{} {}", '\0', lookback, range.step,
                 range.start % range.step, to_string(expr));
  return Asked{std::move(key), {range.start, range.step, count}, std::move(*dependence)};
}

ResultCache::Found ResultCache::find(const Asked& asked, AnswerPtr answer,
                                     model::TimestampMs oldest) {
  const Steps& steps = asked.steps;
  if (answer == nullptr || steps.start < answer->steps.start || steps.start > answer->steps.last())
    return {};
  Found found;
  found.first = static_cast<size_t>((steps.start - answer->steps.start) / steps.step);
  const size_t common = std::min(answer->steps.count - found.first, steps.count);
  while (found.reusable < common && asked.dependence.holds(steps.at(found.reusable), oldest))
    ++found.reusable;
  if (found.reusable == 0) return {};
  found.answer = std::move(answer);
  return found;
}

Result<QueryResult> ResultCache::whole(const Expr& expr, const Range& range,
                                       const QueryLimits& limits) const {
  return engine_.range(expr, range.start, range.end, range.step, limits);
}

Result<QueryResult> ResultCache::range(const Expr& expr, const Range& range, std::string_view scope,
                                       const QueryLimits& limits, CacheUse& use) {
  auto result = reuse(expr, range, scope, limits, use);
  if (result) count(use);
  return result;
}

Result<QueryResult> ResultCache::reuse(const Expr& expr, const Range& range, std::string_view scope,
                                       const QueryLimits& limits, CacheUse& use) {
  use = {};
  const auto ask = asked(expr, range, scope, limits);
  if (!ask) return whole(expr, range, limits);
  AnswerPtr answer = answers_.find(ask->key);
  // Before anything is read: what comes meanwhile has a greater number.
  const auto since = changes_->since(answer ? answer->change : 0, [&](std::string_view cluster) {
    return ask->dependence.selects(cluster);
  });
  use.change = since.number;
  const Found found = find(*ask, std::move(answer), since.oldest);
  if (!found.answer) {
    use.state = "miss";
    use.evaluated_steps = ask->steps.count;
    auto result = whole(expr, range, limits);
    if (result && is_plain(*result))
      remember(*ask, found, since.number, std::get<MatrixValue>(result->value));
    if (result && !is_plain(*result)) use.state = "unusable";
    return result;
  }
  use.reused_steps = found.reusable;
  if (found.reusable == ask->steps.count) {
    use.state = "hit";
    QueryResult result;
    result.value = slice(*found.answer, found.first, ask->steps.count);
    return result;
  }
  const Steps rest = from(ask->steps, found.reusable);
  QueryLimits of_rest = limits;
  of_rest.overflow = nullptr;
  auto tail = engine_.range(expr, rest.start, rest.last(), rest.step, of_rest);
  if (!tail || !is_plain(*tail)) {
    // Errors and notices speak of the whole range, so all of it is evaluated.
    use = {"unusable", 0, ask->steps.count, since.number};
    return whole(expr, range, limits);
  }
  use.state = "partial";
  use.evaluated_steps = rest.count;
  const AnswerPtr longer = remember(*ask, found, since.number, std::get<MatrixValue>(tail->value));
  tail->value = slice(*longer, longer->steps.count - ask->steps.count, ask->steps.count);
  return tail;
}

CacheUse ResultCache::look(const Expr& expr, const Range& range, std::string_view scope,
                           const QueryLimits& limits) const {
  CacheUse use;
  const auto ask = asked(expr, range, scope, limits);
  if (!ask) return use;
  AnswerPtr answer = answers_.find(ask->key);
  const auto since = changes_->since(answer ? answer->change : 0, [&](std::string_view cluster) {
    return ask->dependence.selects(cluster);
  });
  use.change = answer ? answer->change : since.number;
  const Found found = find(*ask, std::move(answer), since.oldest);
  use.reused_steps = found.reusable;
  use.evaluated_steps = ask->steps.count - found.reusable;
  use.state = found.reusable == 0 ? "miss" : use.evaluated_steps == 0 ? "hit" : "partial";
  return use;
}

ResultCache::AnswerPtr ResultCache::remember(const Asked& asked, const Found& found,
                                             uint64_t change, const MatrixValue& fresh) {
  // A window that moves keeps its length; one that lies within a longer one does not shorten it.
  const size_t before = found.answer ? found.first + found.reusable : 0;
  const size_t all = before + asked.steps.count - found.reusable;
  const size_t wanted =
      std::max(asked.steps.count, found.answer ? found.answer->steps.count : size_t{0});
  const size_t dropped = all > wanted ? all - wanted : 0;
  const Part old{found.answer.get(), dropped, before - dropped};
  const size_t columns = fresh.size() + (found.answer ? found.answer->columns.size() : 0);
  const bool too_large = columns * (all - dropped) * sizeof(double) > limit_bytes_ / 4;
  if (too_large && !found.answer) return nullptr;
  auto answer = std::make_shared<Answer>(joined(old, fresh, from(asked.steps, found.reusable)));
  answer->change = change;
  size_t bytes = sizeof(Answer) + asked.key.size();
  for (const Column& column : answer->columns)
    bytes += kBytesPerColumn + column.labels.encoded().size() +
             (column.values.size() + column.present.size()) * sizeof(double);
  answers_.put(asked.key, answer, bytes);
  return answer;
}

/// The steps of `old`, then those of `fresh`.
ResultCache::Answer ResultCache::joined(const Part& old, const MatrixValue& fresh,
                                        const Steps& fresh_steps) {
  Answer out;
  out.steps = {fresh_steps.start - static_cast<int64_t>(old.count) * fresh_steps.step,
               fresh_steps.step, old.count + fresh_steps.count};
  static const std::vector<Column> kNone;
  const std::vector<Column>& columns = old.answer == nullptr ? kNone : old.answer->columns;
  auto column = columns.begin();
  auto series = fresh.begin();
  while (column != columns.end() || series != fresh.end()) {
    const auto order = column == columns.end() ? std::strong_ordering::greater
                       : series == fresh.end() ? std::strong_ordering::less
                                               : column->labels <=> series->labels;
    Column one{order > 0 ? series->labels : column->labels,
               std::vector<double>(out.steps.count, 0.0),
               std::vector<uint64_t>(out.steps.words(), 0)};
    if (order <= 0) {
      for (size_t i = 0; i < old.count; ++i) {
        if (!is_present(column->present.data(), old.first + i)) continue;
        one.values[i] = column->values[old.first + i];
        mark_present(one.present.data(), i);
      }
      ++column;
    }
    if (order >= 0) {
      for (size_t i = 0; i < series->timestamps.size(); ++i) {
        const auto step =
            old.count +
            static_cast<size_t>((series->timestamps[i] - fresh_steps.start) / fresh_steps.step);
        one.values[step] = series->values[i];
        mark_present(one.present.data(), step);
      }
      ++series;
    }
    if (any_present(one.present)) out.columns.push_back(std::move(one));
  }
  return out;
}

MatrixValue ResultCache::slice(const Answer& answer, size_t first, size_t count) {
  MatrixValue matrix;
  for (const Column& column : answer.columns) {
    MatrixSeries series;
    for (size_t i = first; i < first + count; ++i) {
      if (!is_present(column.present.data(), i)) continue;
      series.timestamps.push_back(answer.steps.at(i));
      series.values.push_back(column.values[i]);
    }
    if (series.timestamps.empty()) continue;
    series.labels = column.labels;
    matrix.push_back(std::move(series));
  }
  return matrix;
}

void ResultCache::count(const CacheUse& use) {
  if (meters_.steps_reused == nullptr) return;
  meters_.steps_reused->add(use.reused_steps);
  meters_.steps_evaluated->add(use.evaluated_steps);
  const auto state = std::find(kStates.begin(), kStates.end(), use.state);
  meters_.queries[static_cast<size_t>(state - kStates.begin())]->add();
}

}  // namespace aerie::query
