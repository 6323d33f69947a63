#include "query/binary_kernels.h"

#include <cmath>

#include "query/histogram_scaling.h"

namespace aerie::query {
namespace {

template <class Op>
void compute(const double* left, const double* right, double* out, size_t steps, Op op) {
  for (size_t i = 0; i < steps; ++i) out[i] = op(left[i], right[i]);
}

template <class Holds>
void keep(const double* left, const double* right, std::span<uint64_t> present, size_t steps,
          Holds holds) {
  for (size_t w = 0; w < present.size(); ++w) {
    const size_t first = w * 64;
    const size_t count = std::min<size_t>(64, steps - first);
    uint64_t mask = 0;
    for (size_t i = 0; i < count; ++i)
      mask |= static_cast<uint64_t>(holds(left[first + i], right[first + i])) << i;
    present[w] &= mask;
  }
}

/// The result of one histogram operation, or null where the operator does not apply.
HistogramPtr combine_histograms(BinaryOp op, const RowView& left, const RowView& right,
                                size_t step) {
  const bool left_is = left.is_histogram(step);
  const bool right_is = right.is_histogram(step);
  if (left_is && !right_is) {
    if (op == BinaryOp::Mul) return scale_histogram(*left.histograms[step], right.values[step]);
    if (op == BinaryOp::Div) return divide_histogram(*left.histograms[step], right.values[step]);
  }
  if (!left_is && right_is && op == BinaryOp::Mul)
    return scale_histogram(*right.histograms[step], left.values[step]);
  if (left_is && right_is) {
    const bool equal = *left.histograms[step] == *right.histograms[step];
    if ((op == BinaryOp::Eq && equal) || (op == BinaryOp::Ne && !equal))
      return left.histograms[step];
  }
  return nullptr;
}

bool comparable_histograms(BinaryOp op, bool left_is, bool right_is) {
  return left_is && right_is && (op == BinaryOp::Eq || op == BinaryOp::Ne);
}

std::string_view kind(bool is_histogram) { return is_histogram ? "histogram" : "float"; }

/// Step by step, for rows with histograms in them.
void combine_mixed(const RowOperation& operation, Row& row, const RowView& other,
                   const OperatorNotices& notices) {
  Row result;
  result.reset(row.steps());
  const RowView left = operation.swapped ? other : row.view();
  const RowView right = operation.swapped ? row.view() : other;
  for_each_present(row.present, [&](size_t i) {
    const bool left_is = left.is_histogram(i);
    const bool right_is = right.is_histogram(i);
    if (!left_is && !right_is) {
      const double value = apply_operator(operation.op, left.values[i], right.values[i]);
      if (!is_comparison(operation.op) || operation.yield == Yield::Bool) {
        result.set(i, value);
      } else if (value != 0) {
        result.set(i, operation.yield == Yield::Right ? right.values[i] : left.values[i]);
      }
      return;
    }
    HistogramPtr combined = combine_histograms(operation.op, left, right, i);
    if (combined == nullptr && !comparable_histograms(operation.op, left_is, right_is)) {
      const std::string_view symbol = binary_op_symbol(operation.op);
      notices.annotations.inform(incompatible_types(kind(left_is), symbol, kind(right_is)),
                                 notices.position);
    } else if (operation.yield == Yield::Bool) {
      result.set(i, combined != nullptr ? 1 : 0);
    } else if (combined != nullptr) {
      result.set(i, std::move(combined));
    }
  });
  row = std::move(result);
}

}  // namespace

double apply_operator(BinaryOp op, double left, double right) {
  switch (op) {
    case BinaryOp::Add: return left + right;
    case BinaryOp::Sub: return left - right;
    case BinaryOp::Mul: return left * right;
    case BinaryOp::Div: return left / right;
    case BinaryOp::Mod: return std::fmod(left, right);
    case BinaryOp::Pow: return std::pow(left, right);
    case BinaryOp::Atan2: return std::atan2(left, right);
    case BinaryOp::Eq: return left == right ? 1 : 0;
    case BinaryOp::Ne: return left != right ? 1 : 0;
    case BinaryOp::Lt: return left < right ? 1 : 0;
    case BinaryOp::Le: return left <= right ? 1 : 0;
    case BinaryOp::Gt: return left > right ? 1 : 0;
    case BinaryOp::Ge: return left >= right ? 1 : 0;
    default: return 0;
  }
}

void compute_columns(BinaryOp op, const double* left, const double* right, double* out,
                     size_t steps) {
  switch (op) {
    case BinaryOp::Add:
      return compute(left, right, out, steps, [](double a, double b) { return a + b; });
    case BinaryOp::Sub:
      return compute(left, right, out, steps, [](double a, double b) { return a - b; });
    case BinaryOp::Mul:
      return compute(left, right, out, steps, [](double a, double b) { return a * b; });
    case BinaryOp::Div:
      return compute(left, right, out, steps, [](double a, double b) { return a / b; });
    default:
      return compute(left, right, out, steps,
                     [op](double a, double b) { return apply_operator(op, a, b); });
  }
}

void keep_where(BinaryOp op, const double* left, const double* right, std::span<uint64_t> present,
                size_t steps) {
  switch (op) {
    case BinaryOp::Eq:
      return keep(left, right, present, steps, [](double a, double b) { return a == b; });
    case BinaryOp::Ne:
      return keep(left, right, present, steps, [](double a, double b) { return a != b; });
    case BinaryOp::Lt:
      return keep(left, right, present, steps, [](double a, double b) { return a < b; });
    case BinaryOp::Le:
      return keep(left, right, present, steps, [](double a, double b) { return a <= b; });
    case BinaryOp::Gt:
      return keep(left, right, present, steps, [](double a, double b) { return a > b; });
    default: return keep(left, right, present, steps, [](double a, double b) { return a >= b; });
  }
}

void combine_rows(const RowOperation& operation, Row& row, const RowView& other,
                  const OperatorNotices& notices) {
  for (size_t w = 0; w < row.present.size(); ++w) row.present[w] &= other.present[w];
  const bool trims = operation.op == BinaryOp::TrimUpper || operation.op == BinaryOp::TrimLower;
  if (!row.histograms.empty() || other.histograms != nullptr || trims) {
    if (trims) {
      // Only histograms can be trimmed; floats go with a notice.
      for_each_present(row.present, [&](size_t i) {
        const bool left_is = operation.swapped ? other.is_histogram(i) : row.is_histogram(i);
        const bool right_is = operation.swapped ? row.is_histogram(i) : other.is_histogram(i);
        notices.annotations.inform(
            incompatible_types(kind(left_is), binary_op_symbol(operation.op), kind(right_is)),
            notices.position);
      });
      row.reset(row.steps());
      return;
    }
    return combine_mixed(operation, row, other, notices);
  }
  const size_t steps = row.steps();
  const double* left = operation.swapped ? other.values : row.values.data();
  const double* right = operation.swapped ? row.values.data() : other.values;
  if (!is_comparison(operation.op))
    return compute_columns(operation.op, left, right, row.values.data(), steps);
  if (operation.yield == Yield::Bool) {
    std::vector<uint64_t> holds = row.present;
    keep_where(operation.op, left, right, holds, steps);
    for (size_t i = 0; i < steps; ++i) row.values[i] = is_present(holds.data(), i) ? 1 : 0;
    return;
  }
  keep_where(operation.op, left, right, row.present, steps);
  const double* yielded = operation.yield == Yield::Right ? right : left;
  if (yielded != row.values.data()) row.values.assign(yielded, yielded + steps);
}

}  // namespace aerie::query
