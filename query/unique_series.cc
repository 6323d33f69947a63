#include "query/unique_series.h"

#include <unordered_map>

#include "query/label_projection.h"

namespace aerie::query {
namespace {

/// Dropping the name keeps series apart when they all had the same name (and nothing else that is
/// dropped with it), or none has one.
bool trivially_unique(const std::vector<SeriesInfo>& series) {
  if (series.size() < 2) return true;
  const std::string_view name = series.front().labels.metric_name();
  for (const SeriesInfo& info : series) {
    if (info.labels.metric_name() != name || info.drop_name != series.front().drop_name)
      return false;
    if (info.labels.has("__type__") || info.labels.has("__unit__")) return false;
  }
  return true;
}

/// Which output series each input series becomes; empty when no two coincide.
struct Assignment {
  std::vector<uint32_t> target;
  std::vector<uint32_t> sources;  // the first input series of each output
};

std::optional<Assignment> find_equal(const std::vector<SeriesInfo>& series,
                                     bool delayed_name_removal) {
  Assignment assignment;
  std::unordered_map<model::Labels, uint32_t, model::LabelsHash> seen;
  seen.reserve(series.size());
  for (size_t i = 0; i < series.size(); ++i) {
    const SeriesInfo& info = series[i];
    const bool hidden = info.drop_name && !delayed_name_removal;
    const auto [found, inserted] =
        seen.try_emplace(hidden ? without_metadata(info.labels) : info.labels,
                         static_cast<uint32_t>(assignment.sources.size()));
    if (inserted) assignment.sources.push_back(static_cast<uint32_t>(i));
    assignment.target.push_back(found->second);
  }
  if (assignment.sources.size() == series.size()) return std::nullopt;
  return assignment;
}

class MergedStream final : public SeriesStream {
 public:
  MergedStream(StreamPtr input, Assignment assignment, std::vector<SeriesInfo> series,
               EqualSeries rule, size_t steps, QueryContext& context)
      : SeriesStream(std::move(series)),
        input_(std::move(input)),
        assignment_(std::move(assignment)),
        rule_(rule),
        steps_(steps),
        context_(context) {}

  Status produce(Row& row) override {
    if (rows_.empty()) {
      if (auto read = read_all(); !read) return read;
    }
    row = std::move(rows_[index_++]);
    return {};
  }

 private:
  Status read_all() {
    rows_.resize(size());
    for (Row& row : rows_) row.reset(steps_);
    Row incoming;
    for (const uint32_t target : assignment_.target) {
      if (auto read = input_->next(incoming); !read) return read;
      if (auto alive = context_.check(); !alive) return alive;
      if (auto merged = merge(incoming, rows_[target]); !merged) return merged;
    }
    return {};
  }

  Status merge(const Row& from, Row& into) const {
    const bool clash = rule_ == EqualSeries::Refuse
                           ? any_present(from.present) && any_present(into.present)
                           : overlap(from.present, into.present);
    if (clash) return Error(ErrorCode::Execution, std::string(kSameLabelset));
    for_each_present(from.present, [&](size_t step) { into.copy_sample(from.view(), step); });
    return {};
  }

  const StreamPtr input_;
  const Assignment assignment_;
  const EqualSeries rule_;
  const size_t steps_;
  QueryContext& context_;
  std::vector<Row> rows_;
  size_t index_ = 0;
};

}  // namespace

StreamPtr unique_series(StreamPtr input, EqualSeries rule, LabelChange change, const Steps& steps,
                        QueryContext& context) {
  if (change == LabelChange::NameOnly) {
    if (trivially_unique(input->series())) return input;
    context.mark_range_dependent();
  }
  auto assignment = find_equal(input->series(), context.features().delayed_name_removal);
  if (!assignment) return input;
  std::vector<SeriesInfo> all = input->take_series();
  std::vector<SeriesInfo> merged;
  for (const uint32_t source : assignment->sources) merged.push_back(std::move(all[source]));
  return std::make_unique<MergedStream>(std::move(input), std::move(*assignment), std::move(merged),
                                        rule, steps.count, context);
}

}  // namespace aerie::query
