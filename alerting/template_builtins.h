#pragma once

#include <vector>

#include "alerting/template_functions.h"

namespace aerie::alerting {

/// The functions that Go's text/template has by itself: and, or, not, len, index, slice, print, eq,
/// lt …
const std::vector<TemplateFunction>& builtin_functions();

}  // namespace aerie::alerting
