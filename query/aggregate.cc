#include "query/aggregate.h"

#include "query/fold.h"

namespace aerie::query {
namespace {

/// Folds its whole input on the first call, then delivers group after group.
class FoldStream final : public SeriesStream {
 public:
  FoldStream(StreamPtr input, Grouping grouping, AggregateOp op, PositionRange operand,
             const Steps& steps, QueryContext& context)
      : SeriesStream(grouping.groups),
        input_(std::move(input)),
        group_of_(std::move(grouping.group_of)),
        op_(op),
        operand_(operand),
        steps_(steps.count),
        context_(context) {}
  ~FoldStream() override { context_.budget().release(held_); }

  Status produce(Row& row) override {
    if (!folded_) {
      if (auto folded = fold_all(); !folded) return folded;
    }
    row.reset(steps_);
    finish_fold(op_, folds_[index_], row, {operand_, {}, context_.annotations()});
    folds_[index_++] = GroupFold();
    return {};
  }

 private:
  Status fold_all() {
    folded_ = true;
    folds_.resize(size());
    held_ = size() * steps_;
    if (auto held = context_.budget().hold(held_); !held) return held;
    Row row;
    for (size_t i = 0; i < group_of_.size(); ++i) {
      const uint32_t group = group_of_[i];
      if (auto read = input_->next(row); !read) return read;
      if (auto alive = context_.check(); !alive) return alive;
      if (any_present(row.present))
        fold_row(op_, folds_[group], row,
                 {operand_, input_->series()[i].labels.metric_name(), context_.annotations()});
    }
    return {};
  }

  const StreamPtr input_;
  const std::vector<uint32_t> group_of_;
  const AggregateOp op_;
  const PositionRange operand_;
  const size_t steps_;
  QueryContext& context_;
  bool folded_ = false;
  std::vector<GroupFold> folds_;
  uint64_t held_ = 0;
  size_t index_ = 0;
};

}  // namespace

Grouping group_series(const std::vector<SeriesInfo>& series, const Aggregate& aggregate,
                      bool delayed_name_removal) {
  LabelProjection projection(
      aggregate.without ? LabelProjection::Keep::AllBut : LabelProjection::Keep::Only,
      aggregate.grouping, delayed_name_removal);
  Grouping grouping;
  grouping.group_of.reserve(series.size());
  for (const SeriesInfo& info : series) {
    const uint32_t group = projection.id_of(info);
    grouping.group_of.push_back(group);
    if (group == grouping.groups.size())
      grouping.groups.push_back({projection.labels(group), false});
    // Without delayed removal the name is gone already.
    if (info.drop_name && delayed_name_removal) grouping.groups[group].drop_name = true;
  }
  return grouping;
}

Result<StreamPtr> plan_aggregate(const Aggregate& aggregate, PositionRange position,
                                 const Steps& steps, Planner& planner) {
  auto input = planner.vector(*aggregate.expr, steps);
  if (!input) return input;
  switch (aggregate.op) {
    case AggregateOp::TopK:
    case AggregateOp::BottomK:
    case AggregateOp::LimitK:
    case AggregateOp::LimitRatio:
      return plan_ranking(aggregate, position, std::move(input).value(), steps, planner);
    case AggregateOp::Quantile:
      return plan_quantile(aggregate, std::move(input).value(), steps, planner);
    case AggregateOp::CountValues:
      return plan_count_values(aggregate, std::move(input).value(), steps, planner);
    default: break;
  }
  const bool delayed = planner.context().features().delayed_name_removal;
  Grouping grouping = group_series((*input)->series(), aggregate, delayed);
  return StreamPtr(std::make_unique<FoldStream>(std::move(input).value(), std::move(grouping),
                                                aggregate.op, aggregate.expr->position, steps,
                                                planner.context()));
}

}  // namespace aerie::query
