#include <xxhash.h>

#include <algorithm>
#include <cmath>

#include "query/aggregate.h"
#include "query/literals.h"
#include "query/mapped.h"
#include "query/native_histogram.h"
#include "query/window_functions.h"

namespace aerie::query {
namespace {

constexpr size_t kStepsBetweenChecks = 16;  // each looks at every series

/// A sample that may be among the k: its value and its series.
struct Candidate {
  double value = 0;
  uint32_t series = 0;
};

/// A bounded heap whose root is the candidate to go next. Built by the textbook sifting that Go's
/// container/heap does too, so that among equal values the same ones stay.
class CandidateHeap {
 public:
  void offer(Candidate candidate, size_t k, bool top) {
    if (heap_.size() < k) {
      heap_.push_back(candidate);
      sift_up(top);
      return;
    }
    const double worst = heap_.front().value;
    const bool better = top ? worst < candidate.value : worst > candidate.value;
    if (!better && !(std::isnan(worst) && !std::isnan(candidate.value))) return;
    heap_.front() = candidate;
    sift_down(top);
  }

  bool empty() const { return heap_.empty(); }
  void clear() { heap_.clear(); }
  /// Best first; NaN last.
  const std::vector<Candidate>& sort(bool top) {
    std::stable_sort(heap_.begin(), heap_.end(), [&](const Candidate& a, const Candidate& b) {
      if (std::isnan(a.value) || std::isnan(b.value))
        return !std::isnan(a.value) && std::isnan(b.value);
      return top ? a.value > b.value : a.value < b.value;
    });
    return heap_;
  }

 private:
  static bool goes_before(const Candidate& a, const Candidate& b, bool top) {
    if (std::isnan(a.value)) return true;
    return top ? a.value < b.value : a.value > b.value;
  }

  void sift_up(bool top) {
    size_t child = heap_.size() - 1;
    while (child > 0) {
      const size_t parent = (child - 1) / 2;
      if (!goes_before(heap_[child], heap_[parent], top)) break;
      std::swap(heap_[child], heap_[parent]);
      child = parent;
    }
  }

  void sift_down(bool top) {
    size_t parent = 0;
    for (;;) {
      size_t child = 2 * parent + 1;
      if (child >= heap_.size()) break;
      if (child + 1 < heap_.size() && goes_before(heap_[child + 1], heap_[child], top)) ++child;
      if (!goes_before(heap_[child], heap_[parent], top)) break;
      std::swap(heap_[child], heap_[parent]);
      parent = child;
    }
  }

  std::vector<Candidate> heap_;
};

Result<Block> read_whole(SeriesStream& input, const Steps& steps, QueryContext& context) {
  Block block(steps.count, context.budget());
  block.reserve(input.size());
  Row row;
  for (size_t i = 0; i < input.size(); ++i) {
    if (auto read = input.next(row); !read) return std::move(read).error();
    if (auto alive = context.check(); !alive) return std::move(alive).error();
    if (auto appended = block.append(row.view()); !appended) return std::move(appended).error();
  }
  return block;
}

struct Extremes {
  double min = 0;
  double max = 0;
  bool has_nan = false;
};

Extremes extremes_of(const ScalarColumn& parameter, const Steps& steps) {
  Extremes out{parameter.at(0), parameter.at(0), false};
  for (size_t i = 0; i < steps.count; ++i) {
    const double value = parameter.at(i);
    out.has_nan = out.has_nan || std::isnan(value);
    if (value < out.min || std::isnan(out.min)) out.min = value;
    if (value > out.max || std::isnan(out.max)) out.max = value;
  }
  return out;
}

/// Go's `%v` of a double.
std::string describe(double value) {
  return std::fabs(value) < 1e21 && std::isfinite(value) ? format_float(value) : go_format_g(value);
}

/// Which samples survive, as one bitmap row per series; for one step also in which order.
struct Survivors {
  std::vector<std::vector<uint64_t>> present;
  std::vector<uint32_t> order;
};

struct RankInput {
  const Aggregate& aggregate;
  PositionRange position;  // of the whole aggregation
  const Grouping& grouping;
  const Block& rows;
  const ScalarColumn& parameter;
  const Steps& steps;
  QueryContext& context;
};

size_t limit_at(const RankInput& input, size_t step) {
  const double k = input.parameter.at(step);
  if (!(k >= 1)) return 0;
  return static_cast<size_t>(std::min(k, static_cast<double>(input.rows.size())));
}

/// topk and bottomk at one step. `heaps` come empty, one per group, and go empty.
void rank_step(const RankInput& input, size_t step, std::vector<CandidateHeap>& heaps,
               Survivors& out) {
  const size_t k = limit_at(input, step);
  if (k == 0) return;
  const bool top = input.aggregate.op == AggregateOp::TopK;
  for (uint32_t s = 0; s < input.rows.size(); ++s) {
    const RowView row = input.rows.row(s);
    if (!row.has(step)) continue;
    if (row.is_histogram(step)) {
      input.context.annotations().inform(
          histogram_ignored_in_aggregation(aggregate_op_name(input.aggregate.op)), input.position);
      continue;
    }
    heaps[input.grouping.group_of[s]].offer({row.values[step], s}, k, top);
  }
  for (CandidateHeap& heap : heaps) {
    if (heap.empty()) continue;
    for (const Candidate& candidate : heap.sort(top)) {
      mark_present(out.present[candidate.series].data(), step);
      out.order.push_back(candidate.series);
    }
    heap.clear();
  }
}

/// limitk: the first k series of each group that have a sample.
void limit_step(const RankInput& input, size_t step, Survivors& out) {
  const size_t k = limit_at(input, step);
  if (k == 0) return;
  std::vector<size_t> taken(input.grouping.groups.size(), 0);
  std::vector<std::vector<uint32_t>> by_group(input.grouping.groups.size());
  for (uint32_t s = 0; s < input.rows.size(); ++s) {
    if (!input.rows.row(s).has(step)) continue;
    const uint32_t group = input.grouping.group_of[s];
    if (taken[group] == k) continue;
    ++taken[group];
    mark_present(out.present[s].data(), step);
    by_group[group].push_back(s);
  }
  for (const auto& group : by_group) out.order.insert(out.order.end(), group.begin(), group.end());
}

/// The hash that Prometheus takes of a label set: xxHash64 over names and values, each behind its
/// length (one byte, or 0xff and three bytes little-endian from 255 on).
double sampling_offset(const model::Labels& labels) {
  std::string bytes;
  const auto append = [&bytes](std::string_view text) {
    const size_t size = text.size();
    if (size < 255) {
      bytes.push_back(static_cast<char>(size));
    } else {
      bytes.push_back(static_cast<char>(0xff));
      for (int shift = 0; shift < 24; shift += 8) bytes.push_back(static_cast<char>(size >> shift));
    }
    bytes.append(text);
  };
  for (const model::LabelView& label : labels) {
    append(label.name);
    append(label.value);
  }
  return static_cast<double>(XXH64(bytes.data(), bytes.size(), 0)) / 18446744073709551615.0;
}

/// limit_ratio: the same series at every step where it has a sample.
void sample_ratio(const RankInput& input, const std::vector<SeriesInfo>& series, Survivors& out) {
  const bool delayed = input.context.features().delayed_name_removal;
  for (uint32_t s = 0; s < input.rows.size(); ++s) {
    const double offset = sampling_offset(visible_labels(series[s], delayed));
    bool kept = false;
    for_each_present(input.rows.row(s).words(), [&](size_t step) {
      const double ratio = std::clamp(input.parameter.at(step), -1.0, 1.0);
      const bool keep = (ratio >= 0 && offset < ratio) || (ratio < 0 && offset >= 1 + ratio);
      if (!keep) return;
      mark_present(out.present[s].data(), step);
      kept = true;
    });
    if (kept) out.order.push_back(s);
  }
}

StreamPtr to_stream(const Survivors& survivors, std::vector<SeriesInfo> series, const Block& rows,
                    const Steps& steps) {
  std::vector<uint32_t> order = survivors.order;
  if (steps.count > 1) {
    order.clear();
    for (uint32_t s = 0; s < series.size(); ++s)
      if (any_present(survivors.present[s])) order.push_back(s);
  }
  std::vector<SeriesInfo> out_series;
  std::vector<Row> out_rows;
  for (const uint32_t s : order) {
    Row row;
    row.assign(rows.row(s));
    row.present = survivors.present[s];
    out_series.push_back(std::move(series[s]));
    out_rows.push_back(std::move(row));
  }
  return from_rows(std::move(out_series), std::move(out_rows));
}

Status check_parameter(const Aggregate& aggregate, const Extremes& extremes,
                       QueryContext& context) {
  if (aggregate.op == AggregateOp::LimitRatio) {
    if (extremes.has_nan) return Error(ErrorCode::Execution, "Ratio value is NaN");
    const auto warn = [&](double value, double cap) {
      context.annotations().warn("ratio value should be between -1 and 1, got " +
                                     go_format_g(value) + ", capping to " + go_format_g(cap),
                                 aggregate.parameter->position);
    };
    if (extremes.max > 1) warn(extremes.max, 1);
    if (extremes.min < -1) warn(extremes.min, -1);
    return {};
  }
  if (extremes.has_nan) return Error(ErrorCode::Execution, "Parameter value is NaN");
  if (extremes.min <= -9223372036854775808.0)
    return Error(ErrorCode::Execution,
                 "Scalar value " + describe(extremes.min) + " underflows int64");
  if (extremes.max >= 9223372036854775808.0)
    return Error(ErrorCode::Execution,
                 "Scalar value " + describe(extremes.max) + " overflows int64");
  return {};
}

// Values of so many steps are gathered in one pass over the rows.
constexpr size_t kQuantileSteps = 16;

struct QuantileInput {
  const Aggregate& aggregate;
  const Grouping& grouping;
  const Block& rows;
  const ScalarColumn& parameter;
  QueryContext& context;
};

void quantile_steps(const QuantileInput& input, size_t first, size_t count, std::vector<Row>& out) {
  std::vector<std::vector<double>> values(out.size() * count);
  for (uint32_t s = 0; s < input.rows.size(); ++s) {
    const RowView row = input.rows.row(s);
    std::vector<double>* of_group = values.data() + input.grouping.group_of[s] * count;
    for (size_t i = 0; i < count; ++i) {
      if (!row.has(first + i)) continue;
      if (row.is_histogram(first + i)) {
        input.context.annotations().inform(histogram_ignored_in_aggregation("quantile"),
                                           input.aggregate.expr->position);
      } else {
        of_group[i].push_back(row.values[first + i]);
      }
    }
  }
  for (size_t group = 0; group < out.size(); ++group) {
    for (size_t i = 0; i < count; ++i) {
      std::vector<double>& found = values[group * count + i];
      if (found.empty()) continue;
      out[group].set(first + i, quantile_of(input.parameter.at(first + i), found));
    }
  }
}

}  // namespace

Result<StreamPtr> plan_ranking(const Aggregate& aggregate, PositionRange position, StreamPtr input,
                               const Steps& steps, Planner& planner) {
  auto parameter = planner.scalar(*aggregate.parameter, steps);
  if (!parameter) return std::move(parameter).error();
  const Extremes extremes = extremes_of(*parameter, steps);
  const bool is_ratio = aggregate.op == AggregateOp::LimitRatio;
  const bool nothing = is_ratio ? extremes.max == 0 && extremes.min == 0 : extremes.max < 1;
  if (nothing) {
    if (auto finished = input->finish(); !finished) return std::move(finished).error();
    return from_rows({}, {});
  }
  QueryContext& context = planner.context();
  if (auto valid = check_parameter(aggregate, extremes, context); !valid)
    return std::move(valid).error();
  auto rows = read_whole(*input, steps, context);
  if (!rows) return std::move(rows).error();
  const Grouping grouping =
      group_series(input->series(), aggregate, context.features().delayed_name_removal);
  Survivors survivors;
  survivors.present.assign(rows->size(), std::vector<uint64_t>(steps.words(), 0));
  const RankInput rank{aggregate, position, grouping, *rows, *parameter, steps, context};
  if (is_ratio) {
    sample_ratio(rank, input->series(), survivors);
  } else {
    std::vector<CandidateHeap> heaps(grouping.groups.size());
    for (size_t step = 0; step < steps.count; ++step) {
      if (step % kStepsBetweenChecks == 0) {
        if (auto alive = context.check(); !alive) return std::move(alive).error();
      }
      aggregate.op == AggregateOp::LimitK ? limit_step(rank, step, survivors)
                                          : rank_step(rank, step, heaps, survivors);
    }
  }
  return to_stream(survivors, input->take_series(), *rows, steps);
}

Result<StreamPtr> plan_quantile(const Aggregate& aggregate, StreamPtr input, const Steps& steps,
                                Planner& planner) {
  auto parameter = planner.scalar(*aggregate.parameter, steps);
  if (!parameter) return std::move(parameter).error();
  QueryContext& context = planner.context();
  const Extremes extremes = extremes_of(*parameter, steps);
  const auto warn = [&](double value) {
    const PositionRange position = aggregate.parameter->position;
    context.annotations().warn_of_argument(invalid_quantile(value), position,
                                           {position.start, aggregate.expr->position.end});
  };
  if (extremes.has_nan) warn(std::numeric_limits<double>::quiet_NaN());
  if (extremes.max > 1) warn(extremes.max);
  if (extremes.min < 0) warn(extremes.min);
  auto rows = read_whole(*input, steps, context);
  if (!rows) return std::move(rows).error();
  Grouping grouping =
      group_series(input->series(), aggregate, context.features().delayed_name_removal);
  std::vector<Row> out(grouping.groups.size());
  for (Row& row : out) row.reset(steps.count);
  const QuantileInput quantiles{aggregate, grouping, *rows, *parameter, context};
  for (size_t step = 0; step < steps.count; step += kQuantileSteps) {
    if (auto alive = context.check(); !alive) return std::move(alive).error();
    quantile_steps(quantiles, step, std::min(kQuantileSteps, steps.count - step), out);
  }
  return from_rows(std::move(grouping.groups), std::move(out));
}

Result<StreamPtr> plan_count_values(const Aggregate& aggregate, StreamPtr input, const Steps& steps,
                                    Planner& planner) {
  QueryContext& context = planner.context();
  const std::string& name = text_argument(*aggregate.parameter);
  if (name.empty() || !model::is_valid_utf8(name))
    return Error(ErrorCode::Execution, "invalid label name " + model::go_quote(name));
  Aggregate by_value;
  by_value.without = aggregate.without;
  by_value.grouping = aggregate.grouping;
  if (!aggregate.without) by_value.grouping.push_back(name);
  LabelProjection projection(
      aggregate.without ? LabelProjection::Keep::AllBut : LabelProjection::Keep::Only,
      by_value.grouping, context.features().delayed_name_removal);
  const std::vector<SeriesInfo> series = input->take_series();
  std::vector<Row> out;
  Row row;
  for (const SeriesInfo& info : series) {
    if (auto read = input->next(row); !read) return std::move(read).error();
    const model::Labels base = visible_labels(info, context.features().delayed_name_removal);
    model::LabelsBuilder builder;
    uint64_t last_bits = 0;
    uint32_t last_id = LabelProjection::kUnknown;
    for_each_present(row.present, [&](size_t step) {
      const bool is_histogram = row.is_histogram(step);
      const uint64_t bits = is_histogram ? 0 : std::bit_cast<uint64_t>(row.values[step]);
      if (is_histogram || last_id == LabelProjection::kUnknown || bits != last_bits) {
        builder.reset(base);
        const std::string text = is_histogram ? describe_histogram(*row.histograms[step])
                                              : format_float(row.values[step]);
        builder.set(name, text);
        last_id = projection.id_of({builder.build(), false});
        last_bits = is_histogram ? ~bits : bits;
      }
      if (last_id == out.size()) out.emplace_back().reset(steps.count);
      Row& counts = out[last_id];
      counts.set(step, counts.has(step) ? counts.values[step] + 1 : 1);
    });
  }
  std::vector<SeriesInfo> groups;
  for (uint32_t id = 0; id < out.size(); ++id) groups.push_back({projection.labels(id), false});
  return from_rows(std::move(groups), std::move(out));
}

}  // namespace aerie::query
