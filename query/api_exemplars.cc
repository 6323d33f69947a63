// Exemplars of the series that a query reads.

#include <utility>
#include <vector>

#include "http/json_writer.h"
#include "query/api.h"
#include "query/api_answer.h"
#include "query/parser.h"
#include "query/result_json.h"

namespace aerie::query {
namespace {

void collect(const Expr& expr, std::vector<model::Matchers>& selectors);

struct SelectorCollector {
  std::vector<model::Matchers>& selectors;

  void operator()(const NumberLiteral&) const {}
  void operator()(const StringLiteral&) const {}
  void operator()(const VectorSelector& node) const { selectors.push_back(node.matchers); }
  void operator()(const MatrixSelector& node) const { collect(*node.selector, selectors); }
  void operator()(const Subquery& node) const { collect(*node.expr, selectors); }
  void operator()(const Unary& node) const { collect(*node.expr, selectors); }
  void operator()(const Paren& node) const { collect(*node.expr, selectors); }
  void operator()(const Binary& node) const {
    collect(*node.left, selectors);
    collect(*node.right, selectors);
  }
  void operator()(const Aggregate& node) const {
    collect(*node.expr, selectors);
    if (node.parameter) collect(*node.parameter, selectors);
  }
  void operator()(const Call& node) const {
    for (const ExprPtr& argument : node.args) collect(*argument, selectors);
  }
};

void collect(const Expr& expr, std::vector<model::Matchers>& selectors) {
  std::visit(SelectorCollector{selectors}, expr.node);
}

void append_exemplars(std::string& out, const model::SeriesExemplars& one) {
  out += R"({"seriesLabels":)";
  append_labels(out, one.series);
  out += R"(,"exemplars":[)";
  bool first = true;
  for (const model::Exemplar& exemplar : one.exemplars) {
    if (!std::exchange(first, false)) out += ',';
    out += R"({"labels":)";
    append_labels(out, exemplar.labels);
    out += R"(,"value":)";
    append_quoted_value(out, exemplar.value);
    out += R"(,"timestamp":)";
    append_time(out, exemplar.t);
    out += '}';
  }
  out += "]}";
}

}  // namespace

http::Response QueryApi::exemplars(const http::Request& request, const View& view) const {
  const auto times = range_parameters(request.params);
  if (times.refusal) return *times.refusal;
  if (times.range.last < times.range.first)
    return error_answer(
        Error(ErrorCode::InvalidArgument, "end timestamp must not be before start timestamp"));
  const auto expr = parse_expr(request.params.get("query"), engine_.options().features);
  if (!expr) return error_answer(expr.error());
  std::vector<model::Matchers> selectors;
  collect(**expr, selectors);
  if (selectors.empty()) return http::Response::no_content();
  const auto found = view.source.exemplars(selectors, times.range);
  if (!found) return error_answer(found.error());
  ApiAnswer answer;
  answer.data() += '[';
  for (size_t i = 0; i < found->size(); ++i) {
    if (i > 0) answer.data() += ',';
    append_exemplars(answer.data(), (*found)[i]);
  }
  answer.data() += ']';
  return std::move(answer).finish();
}

}  // namespace aerie::query
