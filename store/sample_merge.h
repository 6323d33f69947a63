#pragma once

#include "model/sample.h"

namespace aerie::store {

/// Adds `newer` to `out`; of samples with the same time the one of `newer` stays. Both ascending.
/// `newer` is left in an unspecified state.
void merge_samples(model::SeriesSamples& out, model::SeriesSamples& newer);

}  // namespace aerie::store
