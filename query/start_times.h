#pragma once

#include "query/window_functions.h"

namespace aerie::query {

/// A sample's time and when its counter began (0: not said).
struct StartedSample {
  model::TimestampMs start = 0;
  model::TimestampMs t = 0;
};

/// promql/functions.go isStartTimestampReset: `now` counts from a new start.
bool starts_anew(const StartedSample& before, const StartedSample& now);
/// promql/functions.go checkStartTimeOverlap: `now` claims to have begun before `before`, and is
/// not the same count.
bool starts_overlap(const StartedSample& before, const StartedSample& now);
/// True if a counter stood at zero at `start`, inside the window that begins after `window_start`:
/// nothing needs to be guessed on that side.
inline bool starts_inside(model::TimestampMs start, model::TimestampMs window_start,
                          model::TimestampMs first_sample) {
  return start != 0 && start > window_start && start < first_sample;
}

/// True if the query uses start timestamps and the series has some.
bool uses_starts(const WindowCall& call);
inline StartedSample started(const WindowCall& call, size_t value) {
  return {call.samples.start_of(value), call.samples.timestamps[value]};
}
/// The same of a histogram; without a start if the query does not use them.
StartedSample started(const WindowCall& call, const model::HistogramSample& sample);

/// rate() and increase() of the floats of a series with start timestamps, at the steps whose
/// windows hold floats alone.
void started_change(const WindowCall& call, bool per_second, Row& out);

}  // namespace aerie::query
