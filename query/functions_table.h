#pragma once

#include <span>
#include <string_view>

#include "query/ast.h"

namespace aerie::query {

/// All functions of PromQL 3.14, sorted by name. Constant for the process; pointers into it may be
/// kept. `args` holds the optional ones as well: with `variadic` != 0 at least args.size() - 1 must
/// be given, and at most args.size() - 1 + variadic (-1: any number); what lies beyond `args` has
/// the type of the last one.
std::span<const FunctionSignature> all_functions();

/// Null if there is none of that name (case matters).
const FunctionSignature* find_function(std::string_view name);

}  // namespace aerie::query
