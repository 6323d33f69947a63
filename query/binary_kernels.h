#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "query/annotations.h"
#include "query/ast.h"
#include "query/row.h"

namespace aerie::query {

/// One operator on two numbers. Comparisons yield 0 or 1.
double apply_operator(BinaryOp op, double left, double right);

/// `out[i] = left[i] op right[i]` for arithmetic operators; `out` may be one of the operands.
void compute_columns(BinaryOp op, const double* left, const double* right, double* out,
                     size_t steps);
/// Clears the bits in `present` of the steps where the comparison does not hold.
void keep_where(BinaryOp op, const double* left, const double* right, std::span<uint64_t> present,
                size_t steps);

/// The notices of one operator. As in Prometheus only the last one of each step is told. They reach
/// `annotations` when this is destroyed. One query, one thread.
class OperatorNotices {
 public:
  OperatorNotices(PositionRange position, AnnotationSet& annotations)
      : position_(position), annotations_(annotations) {}
  ~OperatorNotices();
  OperatorNotices(const OperatorNotices&) = delete;
  OperatorNotices& operator=(const OperatorNotices&) = delete;
  void warn(size_t step, std::string message) { note(step, {true, std::move(message)}); }
  void inform(size_t step, std::string message) { note(step, {false, std::move(message)}); }

 private:
  struct Message {
    bool warning = false;
    std::string text;
    bool operator==(const Message&) const = default;
  };
  void note(size_t step, Message message);

  const PositionRange position_;
  AnnotationSet& annotations_;
  std::vector<Message> messages_;
  std::vector<uint32_t> last_;  // by step: index into messages_ + 1, 0 for none
};

/// What the operator yields.
enum class Yield : uint8_t {
  Left,   ///< arithmetic, or the left side where a comparison holds
  Right,  ///< the right side where a comparison holds (scalar on the left)
  Bool,   ///< 1 where a comparison holds, else 0
};

/// `row op other` at the steps where both are present; the others become absent. Histograms are
/// combined where the operator allows it, else dropped with a notice. `swapped`: `other` is the
/// left operand.
struct RowOperation {
  BinaryOp op = BinaryOp::Add;
  Yield yield = Yield::Left;
  bool swapped = false;
};
void combine_rows(const RowOperation& operation, Row& row, const RowView& other,
                  OperatorNotices& notices);

}  // namespace aerie::query
