#pragma once

#include "query/query_context.h"
#include "query/steps.h"
#include "query/stream.h"

namespace aerie::query {

enum class EqualSeries : uint8_t {
  MergeSteps,  ///< series with equal labels become one; an error where both have a sample at the
               ///< same step
  Refuse,      ///< an error as soon as two series with equal labels have samples at all
};

/// How the input's labels came about from series that were all different.
enum class LabelChange : uint8_t {
  NameOnly,  ///< at most by dropping their names
  Any,
};

/// Passes the stream through, after looking at its labels only, unless operations have made series
/// coincide; then reads it whole. Errors while reading: Execution, `vector cannot contain metrics
/// with the same labelset`.
StreamPtr unique_series(StreamPtr input, EqualSeries rule, LabelChange change, const Steps& steps,
                        QueryContext& context);

/// The error's text.
inline constexpr std::string_view kSameLabelset =
    "vector cannot contain metrics with the same labelset";

}  // namespace aerie::query
