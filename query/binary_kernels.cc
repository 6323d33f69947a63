#include "query/binary_kernels.h"

#include <algorithm>
#include <cmath>

#include "query/histogram_scaling.h"
#include "query/histogram_sum.h"
#include "query/histogram_trim.h"
#include "query/histogram_windows.h"

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

bool is_trim(BinaryOp op) { return op == BinaryOp::TrimUpper || op == BinaryOp::TrimLower; }

/// Two histograms added or subtracted; null, with a notice, where they do not fit.
HistogramPtr add_histograms(BinaryOp op, const model::NativeHistogram& left,
                            const model::NativeHistogram& right, size_t step,
                            OperatorNotices& notices) {
  const std::string_view operation = op == BinaryOp::Add ? "addition" : "subtraction";
  HistogramSum sum(left);
  const HistogramSum::Outcome outcome =
      op == BinaryOp::Add ? sum.add(right, HistogramSum::Rounding::Plain) : sum.subtract(right);
  if (op == BinaryOp::Sub) sum.set_reset_hint(model::ResetHint::Gauge);
  if (outcome.incompatible) {
    notices.warn(step, "incompatible bucket layout encountered for binary operator " +
                           std::string(binary_op_symbol(op)));
    return nullptr;
  }
  if (outcome.resets_collide) {
    notices.warn(step, resets_collide(operation));
    return nullptr;
  }
  if (outcome.bounds_reconciled) notices.inform(step, bounds_reconciled(operation));
  return sum.result();
}

/// True if the operator is defined between samples of these kinds, one of them a histogram (floats
/// cannot be trimmed).
bool applies(BinaryOp op, bool left_is, bool right_is) {
  if (left_is && right_is)
    return op == BinaryOp::Add || op == BinaryOp::Sub || op == BinaryOp::Eq || op == BinaryOp::Ne;
  if (!left_is && !right_is) return false;
  return op == BinaryOp::Mul || (left_is && (op == BinaryOp::Div || is_trim(op)));
}

/// The result of an operation that applies; null where it yields nothing.
HistogramPtr combine_histograms(BinaryOp op, const RowView& left, const RowView& right, size_t step,
                                OperatorNotices& notices) {
  if (left.is_histogram(step) && right.is_histogram(step)) {
    const model::NativeHistogram& a = *left.histograms[step];
    const model::NativeHistogram& b = *right.histograms[step];
    if (op == BinaryOp::Add || op == BinaryOp::Sub) return add_histograms(op, a, b, step, notices);
    return equal_histograms(a, b) == (op == BinaryOp::Eq) ? left.histograms[step] : nullptr;
  }
  if (right.is_histogram(step)) return scale_histogram(*right.histograms[step], left.values[step]);
  const model::NativeHistogram& histogram = *left.histograms[step];
  const double value = right.values[step];
  switch (op) {
    case BinaryOp::Div: return divide_histogram(histogram, value);
    case BinaryOp::TrimUpper: return trim_histogram(histogram, value, Trim::Upper);
    case BinaryOp::TrimLower: return trim_histogram(histogram, value, Trim::Lower);
    default: return scale_histogram(histogram, value);
  }
}

std::string_view kind(bool is_histogram) { return is_histogram ? "histogram" : "float"; }

/// Step by step, for rows with histograms in them.
void combine_mixed(const RowOperation& operation, Row& row, const RowView& other,
                   OperatorNotices& notices) {
  Row result;
  result.reset(row.steps());
  const RowView left = operation.swapped ? other : row.view();
  const RowView right = operation.swapped ? row.view() : other;
  for_each_present(row.present, [&](size_t i) {
    const bool left_is = left.is_histogram(i);
    const bool right_is = right.is_histogram(i);
    if (!left_is && !right_is && !is_trim(operation.op)) {
      const double value = apply_operator(operation.op, left.values[i], right.values[i]);
      if (!is_comparison(operation.op) || operation.yield == Yield::Bool) {
        result.set(i, value);
      } else if (value != 0) {
        result.set(i, operation.yield == Yield::Right ? right.values[i] : left.values[i]);
      }
      return;
    }
    if (!applies(operation.op, left_is, right_is)) {
      const std::string_view symbol = binary_op_symbol(operation.op);
      notices.inform(i, incompatible_types(kind(left_is), symbol, kind(right_is)));
      return;
    }
    HistogramPtr combined = combine_histograms(operation.op, left, right, i, notices);
    if (operation.yield == Yield::Bool) {
      result.set(i, combined != nullptr ? 1 : 0);
    } else if (combined != nullptr) {
      result.set(i, std::move(combined));
    }
  });
  row = std::move(result);
}

}  // namespace

OperatorNotices::~OperatorNotices() {
  std::vector<bool> told(messages_.size() + 1, false);
  for (const uint32_t index : last_) told[index] = true;
  for (size_t i = 0; i < messages_.size(); ++i) {
    if (!told[i + 1]) continue;
    Message& message = messages_[i];
    message.warning ? annotations_.warn(std::move(message.text), position_)
                    : annotations_.inform(std::move(message.text), position_);
  }
}

void OperatorNotices::note(size_t step, Message message) {
  if (last_.size() <= step) last_.resize(step + 1, 0);
  const auto found = std::find(messages_.begin(), messages_.end(), message);
  last_[step] = static_cast<uint32_t>(found - messages_.begin()) + 1;
  if (found == messages_.end()) messages_.push_back(std::move(message));
}

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
                  OperatorNotices& notices) {
  for (size_t w = 0; w < row.present.size(); ++w) row.present[w] &= other.present[w];
  if (!row.histograms.empty() || other.histograms != nullptr || is_trim(operation.op)) {
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
