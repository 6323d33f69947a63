#pragma once

#include <string>

#include "query/ast.h"

namespace aerie::query {

/// Appends the tree as /api/v1/parse_query shows it: keys sorted, times in integer milliseconds.
void append_tree(std::string& out, const Expr& expr);

}  // namespace aerie::query
