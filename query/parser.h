#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "query/ast.h"

namespace aerie::query {

/// Parses and type-checks PromQL (grammar of Prometheus 3.14). Thread-safe.
/// Errors: InvalidArgument with Prometheus's text, `1:5: parse error: unexpected …`.
Result<ExprPtr> parse_expr(std::string_view text, const LanguageFeatures& features = {});

/// A selector alone, as in `match[]`: its matchers, at least one of which does not match the empty
/// string.
Result<model::Matchers> parse_selector(std::string_view text);

/// The canonical one-line form; parses back to an equal tree.
std::string to_string(const Expr& expr);
/// The indented form of /api/v1/format_query.
std::string pretty(const Expr& expr);

}  // namespace aerie::query
