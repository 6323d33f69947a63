#pragma once

#include <string>

#include "query/ast.h"

namespace aerie::query {

/// Every field of a tree but the positions, in brackets: two trees are equal if their texts are.
/// Written for tests independently of the printer; matchers are sorted, because the printer sorts
/// them.
std::string ast_text(const Expr& expr);

}  // namespace aerie::query
