#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/time.h"

namespace aerie::promqltest {

/// One place in a sequence of values.
struct SequenceValue {
  bool omitted = false;
  double value = 0;
  std::shared_ptr<const model::NativeHistogram> histogram;  ///< instead of `value`
  bool reset_hint_written = false;                          ///< then the hint is compared as well
  std::optional<model::DurationMs> start;  ///< when its counter began, relative to its time

  /// The start of a sample at `t`; 0: not said.
  model::TimestampMs start_at(model::TimestampMs t) const { return start ? t + *start : 0; }
};
using Sequence = std::vector<SequenceValue>;

struct SeriesLine {
  model::Labels labels;
  Sequence values;
};

struct Clear {};

/// Value i of a series stands at i * interval. Of a series named twice the last line counts.
struct Load {
  model::DurationMs interval = 0;
  bool with_nhcb = false;  ///< also as native histograms with custom buckets
  std::vector<SeriesLine> series;
};

enum class Expectation : uint8_t { Fail, Warn, NoWarn, Info, NoInfo };

/// A condition on a text. Empty: any text will do.
struct TextCondition {
  enum class Kind : uint8_t { Any, Message, Pattern } kind = Kind::Any;
  std::string text;
};

struct Eval {
  int line = 0;  ///< counted from 1
  std::string expr;
  bool is_range = false;
  model::TimestampMs at = 0;  ///< of an instant evaluation
  model::TimestampMs start = 0;
  model::TimestampMs end = 0;
  model::DurationMs step = 0;

  bool ordered = false;
  bool expects_range_vector = false;  ///< start, end and step are those of the samples
  std::multimap<Expectation, TextCondition> conditions;
  std::optional<std::string> text;  ///< `expect string`
  std::optional<double> scalar;
  std::vector<SeriesLine> series;  ///< in the order written
};

using Command = std::variant<Clear, Load, Eval>;
using Script = std::vector<Command>;

/// Reads a file of Prometheus's promqltest language. Errors: InvalidArgument with the line's
/// number.
Result<Script> parse_script(std::string_view text);

}  // namespace aerie::promqltest
