#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "query/query_context.h"
#include "query/selector.h"
#include "query/stream.h"

namespace aerie::query {

/// One part of a query as it was evaluated. Times and samples read include those of the parts
/// below.
struct PlanNode {
  std::string expression;
  std::string kind;  ///< `selector`, `aggregation`, `call`, …
  size_t steps = 0;
  bool once = false;          ///< the same at every step: evaluated at one only
  bool shared = false;        ///< read from what an equal part yielded
  size_t series = 0;          ///< that may have samples
  uint64_t samples = 0;       ///< that the part yields
  uint64_t samples_read = 0;  ///< from the store
  double seconds = 0;
  std::vector<std::unique_ptr<PlanNode>> parts;
};

/// Writes down what each part of one query costs while it is evaluated. One query, one thread.
class PlanRecorder {
 public:
  explicit PlanRecorder(const Clock& clock) : clock_(clock) {}
  /// The whole query; null before it was evaluated.
  const PlanNode* root() const { return root_.get(); }
  /// The part that is being planned is read from what an equal part yields.
  void mark_shared() {
    if (current_ != nullptr) current_->shared = true;
  }

  /// Measures one call: time passed and samples read go to the node.
  class Measurement {
   public:
    Measurement(PlanRecorder& recorder, PlanNode& node, const QueryContext& context);
    ~Measurement();
    Measurement(const Measurement&) = delete;
    Measurement& operator=(const Measurement&) = delete;

   private:
    PlanRecorder& recorder_;
    PlanNode& node_;
    const QueryContext& context_;
    const int64_t started_ns_;
    const uint64_t read_before_;
  };

  /// The part that is planned while this lives; parts planned meanwhile become its parts.
  class Part {
   public:
    Part(QueryContext& context, const Expr& expr, const Steps& steps);
    ~Part();
    Part(const Part&) = delete;
    Part& operator=(const Part&) = delete;
    /// The same stream, measured.
    Result<StreamPtr> measured(Result<StreamPtr> stream);
    Result<RangePtr> measured(Result<RangePtr> range);
    Result<ScalarColumn> measured(Result<ScalarColumn> scalar);

   private:
    QueryContext& context_;
    PlanRecorder* recorder_;  // null: nothing is written down
    PlanNode* node_ = nullptr;
    PlanNode* above_ = nullptr;
    std::unique_ptr<Measurement> measurement_;
  };

 private:
  const Clock& clock_;
  std::unique_ptr<PlanNode> root_;
  PlanNode* current_ = nullptr;
};

/// The node and those below as JSON.
void append_plan(std::string& out, const PlanNode& node);

}  // namespace aerie::query
