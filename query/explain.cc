#include "query/explain.h"

#include <utility>

#include "http/json_writer.h"
#include "query/parser.h"
#include "query/planner.h"

namespace aerie::query {
namespace {

struct KindVisitor {
  std::string operator()(const NumberLiteral&) const { return "number"; }
  std::string operator()(const StringLiteral&) const { return "string"; }
  std::string operator()(const VectorSelector&) const { return "selector"; }
  std::string operator()(const MatrixSelector&) const { return "range selector"; }
  std::string operator()(const Subquery&) const { return "subquery"; }
  std::string operator()(const Unary&) const { return "sign"; }
  std::string operator()(const Binary& node) const {
    return "operator " + std::string(binary_op_symbol(node.op));
  }
  std::string operator()(const Aggregate& node) const {
    return "aggregation " + std::string(aggregate_op_name(node.op));
  }
  std::string operator()(const Call& node) const {
    return "function " + std::string(node.function->name);
  }
  std::string operator()(const Paren&) const { return "parentheses"; }
};

class MeasuredStream final : public SeriesStream {
 public:
  MeasuredStream(StreamPtr input, PlanNode& node, PlanRecorder& recorder,
                 const QueryContext& context)
      : SeriesStream(input->take_series()),
        input_(std::move(input)),
        node_(node),
        recorder_(recorder),
        context_(context) {}

 private:
  Status produce(Row& row) override {
    const PlanRecorder::Measurement measurement(recorder_, node_, context_);
    auto read = input_->next(row);
    if (read) node_.samples += count_present(row.present);
    return read;
  }
  Status pass(Row& row) override {
    const PlanRecorder::Measurement measurement(recorder_, node_, context_);
    return input_->skip(row);
  }

  const StreamPtr input_;
  PlanNode& node_;
  PlanRecorder& recorder_;
  const QueryContext& context_;
};

class MeasuredRange final : public RangeStream {
 public:
  MeasuredRange(RangePtr input, PlanNode& node, PlanRecorder& recorder, const QueryContext& context)
      : RangeStream(input->grid(), input->take_series()),
        input_(std::move(input)),
        node_(node),
        recorder_(recorder),
        context_(context) {}

  Status next(model::SeriesSamples& samples) override {
    const PlanRecorder::Measurement measurement(recorder_, node_, context_);
    auto read = input_->next(samples);
    if (read) node_.samples += samples.values.size() + samples.histograms.size();
    return read;
  }

 private:
  const RangePtr input_;
  PlanNode& node_;
  PlanRecorder& recorder_;
  const QueryContext& context_;
};

}  // namespace

PlanRecorder::Measurement::Measurement(PlanRecorder& recorder, PlanNode& node,
                                       const QueryContext& context)
    : recorder_(recorder),
      node_(node),
      context_(context),
      started_ns_(recorder.clock_.monotonic_ns()),
      read_before_(context.samples_read()) {}

PlanRecorder::Measurement::~Measurement() {
  node_.seconds += static_cast<double>(recorder_.clock_.monotonic_ns() - started_ns_) / 1e9;
  node_.samples_read += context_.samples_read() - read_before_;
}

PlanRecorder::Part::Part(QueryContext& context, const Expr& expr, const Steps& steps)
    : context_(context), recorder_(context.recorder()) {
  if (recorder_ == nullptr) return;
  auto node = std::make_unique<PlanNode>();
  node->expression = to_string(unwrap(expr));
  node->kind = std::visit(KindVisitor(), unwrap(expr).node);
  node->steps = steps.count;
  node->once = steps.count > 1 && is_step_invariant(expr);
  node_ = node.get();
  above_ = recorder_->current_;
  if (above_ != nullptr) {
    above_->parts.push_back(std::move(node));
  } else {
    recorder_->root_ = std::move(node);
  }
  recorder_->current_ = node_;
  measurement_ = std::make_unique<Measurement>(*recorder_, *node_, context);
}

PlanRecorder::Part::~Part() {
  if (recorder_ != nullptr) recorder_->current_ = above_;
}

Result<StreamPtr> PlanRecorder::Part::measured(Result<StreamPtr> stream) {
  if (recorder_ == nullptr || !stream) return stream;
  node_->series = (*stream)->size();
  return StreamPtr(
      std::make_unique<MeasuredStream>(std::move(stream).value(), *node_, *recorder_, context_));
}

Result<RangePtr> PlanRecorder::Part::measured(Result<RangePtr> range) {
  if (recorder_ == nullptr || !range) return range;
  node_->series = (*range)->size();
  return RangePtr(
      std::make_unique<MeasuredRange>(std::move(range).value(), *node_, *recorder_, context_));
}

Result<ScalarColumn> PlanRecorder::Part::measured(Result<ScalarColumn> scalar) {
  if (recorder_ == nullptr || !scalar) return scalar;
  node_->series = 1;
  node_->samples = scalar->is_constant() ? 1 : node_->steps;
  return scalar;
}

void append_plan(std::string& out, const PlanNode& node) {
  http::JsonWriter json(out);
  json.begin_object().field("expression", node.expression).field("kind", node.kind);
  json.field("steps", static_cast<int64_t>(node.steps));
  if (node.once) json.key("once").boolean(true);
  if (node.shared) json.key("shared").boolean(true);
  json.field("series", static_cast<int64_t>(node.series));
  json.field("samples", static_cast<int64_t>(node.samples));
  json.field("samplesRead", static_cast<int64_t>(node.samples_read));
  json.key("seconds").number(node.seconds);
  if (!node.parts.empty()) {
    json.key("parts").begin_array();
    for (const auto& part : node.parts) {
      std::string inner;
      append_plan(inner, *part);
      json.raw(inner);
    }
    json.end_array();
  }
  json.end_object();
}

}  // namespace aerie::query
