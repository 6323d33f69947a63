#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "alerting/template.h"
#include "base/result.h"
#include "model/time.h"
#include "query/ast.h"

namespace aerie::alerting {

using NamedTemplates = std::vector<std::pair<std::string, Template>>;

/// One recording or alerting rule as written. Immutable after parsing, cheap to copy.
struct RuleSpec {
  enum class Kind : uint8_t { Recording, Alerting } kind = Kind::Recording;
  std::string name;  ///< `record` or `alert`
  std::shared_ptr<const query::Expr> expr;
  std::string expr_text;       ///< the canonical form: what the API and generator URLs show
  model::DurationMs hold = 0;  ///< `for`
  model::DurationMs keep_firing = 0;
  NamedTemplates labels;  ///< with the group's, sorted by name; plain texts for a recording rule
  NamedTemplates annotations;  ///< sorted by name
  /// Everything above as one text: equal texts, equal rules.
  std::string fingerprint() const;
};

struct GroupSpec {
  std::string file;
  std::string name;                ///< unique within its file
  model::DurationMs interval = 0;  ///< 0: the global evaluation interval
  model::DurationMs query_offset = 0;
  int64_t limit = 0;  ///< of series or alerts per rule; 0: none
  std::vector<RuleSpec> rules;
  std::string fingerprint() const;
};

/// Parses one Prometheus rule file, strictly: unknown or repeated keys, wrong types, bad
/// expressions, durations, names and templates are errors. `file` is the path shown in errors and
/// used as identity of its groups. Errors: InvalidArgument; one line for each problem,
/// `file:line:column: group "g", rule 1, "Name": …` in Prometheus's words.
Result<std::vector<GroupSpec>> parse_rule_file(std::string_view text, const std::string& file,
                                               const query::LanguageFeatures& features = {});

/// Reads and parses all files that match the patterns (shell globs), each file once, in the order
/// of the patterns. A pattern without a match is no error, as in Prometheus. Errors: of
/// parse_rule_file, of all files together; IoError.
Result<std::vector<GroupSpec>> load_rule_files(const std::vector<std::string>& patterns,
                                               const query::LanguageFeatures& features = {});

/// What `aeriectl check rules` needs: how many rules a file has.
struct RuleFileReport {
  std::string file;
  size_t groups = 0;
  size_t rules = 0;
};
/// Checks without running anything. Errors: as load_rule_files(), and NotFound for a pattern
/// without a match.
Result<std::vector<RuleFileReport>> check_rule_files(const std::vector<std::string>& patterns,
                                                     const query::LanguageFeatures& features = {});

}  // namespace aerie::alerting
