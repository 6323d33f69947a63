#pragma once

#include <string>
#include <vector>

#include "tests/promql/script.h"

namespace aerie::promqltest {

/// A case whose expectation is wrong in one place, so that it must fail.
struct Mutant {
  Eval eval;
  std::string what;  ///< `digit`, `label`, `annotation`, …
};

/// One mutant per thing that can be altered: a digit of each series, a label of each, each
/// annotation, the text, the scalar, and an expected series that does not exist.
std::vector<Mutant> mutants_of(const Eval& eval);

}  // namespace aerie::promqltest
