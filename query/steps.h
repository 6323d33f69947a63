#pragma once

#include <cstddef>

#include "model/time.h"

namespace aerie::query {

/// The evaluation times of an expression: start, start + step, … `count` of them. `count >= 1`.
struct Steps {
  model::TimestampMs start = 0;
  model::DurationMs step = 1;
  size_t count = 1;

  model::TimestampMs at(size_t i) const { return start + static_cast<int64_t>(i) * step; }
  model::TimestampMs last() const { return at(count - 1); }
  /// Words of a presence bitmap over these steps.
  size_t words() const { return (count + 63) / 64; }
  Steps first_only() const { return {start, step, 1}; }
};

}  // namespace aerie::query
