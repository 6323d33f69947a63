#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "query/ast.h"
#include "query/query_context.h"
#include "query/steps.h"
#include "query/stream.h"

namespace aerie::query {

class Planner;

/// Finds the parts of one query that stand in it more than once and evaluates each a single time:
/// its rows are kept until all places that need them have read them. A part of many rows is
/// evaluated at each place instead, as if this were not here. One query, one thread.
/// docs/decisions/0142.
class SharedParts {
 public:
  /// Past so many samples a part is not kept.
  static constexpr size_t kMaxSamples = 1u << 20;

  /// `root` and `context` outlive this.
  SharedParts(const Expr& root, QueryContext& context);

  /// True if the part stands elsewhere too. `expr` is without parentheses.
  bool repeated(const Expr& expr) const { return group_of_.contains(&expr); }
  /// The part's stream: planned by `plan` the first time, read from what is kept later on.
  /// `planner` outlives the stream.
  Result<StreamPtr> stream(const Expr& expr, const Steps& steps, Planner& planner);

 private:
  class Kept;
  class Reader;
  struct Place {
    uint32_t group = 0;
    Steps steps;
    uint64_t counted_times = 0;
    std::shared_ptr<Kept> kept;  // null: too large, or all that may ask have their reader
    size_t left = 0;             // of those that may ask
  };

  QueryContext& context_;
  std::unordered_map<const Expr*, uint32_t> group_of_;
  std::vector<size_t> sizes_;  // of the groups
  std::vector<Place> places_;
};

}  // namespace aerie::query
