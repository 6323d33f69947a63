#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "model/matcher.h"
#include "model/time.h"
#include "query/ast.h"

namespace aerie::query {

/// How the value of an expression at one step depends on samples: enough to tell for which steps a
/// value computed earlier still holds.
struct Dependence {
  /// At step t it looks at samples up to t + ahead. Negative where everything has an offset.
  model::DurationMs ahead = 0;
  /// And, because of @, up to this time at every step.
  model::TimestampMs fixed = model::kMinTimestamp;
  /// Per selector, what it asks of `cluster`.
  std::vector<model::Matchers> clusters;

  /// True if some selector takes series of this cluster.
  bool selects(std::string_view cluster) const;
  /// True if the value at `t` is what it was, when samples from `oldest` on may have changed.
  bool holds(model::TimestampMs t, model::TimestampMs oldest) const;
};

/// Not set if values at some steps, computed apart, may differ from those computed within a longer
/// range: where the expression names the range (`end()`, `range()`, `@ start()`), where series of
/// different names could become equal, where samples are added up in an order that depends on which
/// other series there are. docs/decisions/0141.
std::optional<Dependence> dependence_of(const Expr& expr, model::DurationMs lookback,
                                        const LanguageFeatures& features);

}  // namespace aerie::query
