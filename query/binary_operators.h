#pragma once

#include "query/planner.h"

namespace aerie::query {

/// A binary operation of which at least one side is a vector.
Result<StreamPtr> plan_binary(const Binary& binary, PositionRange position, const Steps& steps,
                              Planner& planner);

/// Two scalars.
ScalarColumn combine(BinaryOp op, const ScalarColumn& left, const ScalarColumn& right,
                     const Steps& steps);
ScalarColumn negate(const ScalarColumn& operand, const Steps& steps);
/// `-vector`.
StreamPtr negate(StreamPtr operand, const Steps& steps, QueryContext& context);

/// `and`, `or`, `unless`: by labels and presence alone.
Result<StreamPtr> apply_set_operator(const Binary& binary, StreamPtr left, StreamPtr right,
                                     const Steps& steps, QueryContext& context);
/// Vector against vector, one to one or many to one. Reads the operands at once when nothing
/// matches: duplicates of the one side are an error even then.
Result<StreamPtr> match_vectors(const Binary& binary, PositionRange position, StreamPtr left,
                                StreamPtr right, const Steps& steps, QueryContext& context);

}  // namespace aerie::query
