#include "query/count_only.h"

#include <string_view>

namespace aerie::query {
namespace {

enum class Detail : uint8_t { Unknown, CountsOnly, Buckets };

class Marker {
 public:
  void mark(Expr& expr, Detail detail) {
    std::visit([&](auto& node) { visit(node, detail); }, expr.node);
  }

 private:
  static Detail below(std::string_view function, Detail detail) {
    if (detail == Detail::Buckets) return detail;
    if (function == "histogram_count" || function == "histogram_sum" || function == "histogram_avg")
      return Detail::CountsOnly;
    if (function == "histogram_quantile" || function == "histogram_quantiles" ||
        function == "histogram_fraction")
      return Detail::Buckets;
    return detail;
  }

  void visit(NumberLiteral&, Detail) {}
  void visit(StringLiteral&, Detail) {}
  void visit(VectorSelector& node, Detail detail) {
    node.histogram_counts_only = detail == Detail::CountsOnly;
  }
  void visit(MatrixSelector& node, Detail detail) { mark(*node.selector, detail); }
  // A subquery leaves samples out: resets can only be found where buckets are seen.
  void visit(Subquery& node, Detail) { mark(*node.expr, Detail::Buckets); }
  void visit(Unary& node, Detail detail) { mark(*node.expr, detail); }
  void visit(Paren& node, Detail detail) { mark(*node.expr, detail); }
  void visit(Binary& node, Detail detail) {
    const bool trims = node.op == BinaryOp::TrimUpper || node.op == BinaryOp::TrimLower;
    mark(*node.left, trims ? Detail::Buckets : detail);
    mark(*node.right, trims ? Detail::Buckets : detail);
  }
  void visit(Aggregate& node, Detail detail) {
    mark(*node.expr, detail);
    if (node.parameter) mark(*node.parameter, detail);
  }
  void visit(Call& node, Detail detail) {
    for (ExprPtr& argument : node.args) mark(*argument, below(node.function->name, detail));
  }
};

}  // namespace

void mark_count_only(Expr& expr) { Marker().mark(expr, Detail::Unknown); }

}  // namespace aerie::query
