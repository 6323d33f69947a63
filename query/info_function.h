#pragma once

#include "query/planner.h"

namespace aerie::query {

/// `info(v)`, `info(v, {…})`: adds the labels of info series (`target_info` unless told otherwise)
/// that have the same `instance` and `job` at the same time.
Result<StreamPtr> info(const CallSite& site);

}  // namespace aerie::query
