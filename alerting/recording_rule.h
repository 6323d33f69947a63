#pragma once

#include "alerting/evaluation.h"

namespace aerie::alerting {

/// The samples that one evaluation of a recording rule writes. Errors: of the engine; Execution for
/// equal label sets, a result above the group's limit (then nothing is written) and native
/// histograms.
Result<OwnSamples> evaluate_recording(const RuleSpec& rule, const Evaluation& evaluation);

}  // namespace aerie::alerting
