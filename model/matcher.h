#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"

namespace aerie::model {

enum class MatchType : uint8_t { Equal, NotEqual, Regex, NotRegex };

/// `=`, `!=`, `=~`, `!~`.
std::string_view match_type_symbol(MatchType type);

/// One label condition. Immutable, cheap to copy, safe to use from any thread. Regular expressions
/// are RE2, anchored at both ends, dot matches newline (Prometheus 3).
class Matcher {
 public:
  /// Errors: InvalidArgument with RE2's reason.
  static Result<Matcher> make(MatchType type, std::string name, std::string value);
  /// For tests and literals: as make(), aborts on a bad expression.
  static Matcher equal(std::string name, std::string value);

  MatchType type() const { return type_; }
  const std::string& name() const { return name_; }
  const std::string& value() const { return value_; }

  /// An absent label is the empty string.
  bool matches(std::string_view value) const;
  bool matches(const Labels& labels) const { return matches(labels.get(name_)); }
  bool matches_empty() const { return matches(std::string_view{}); }

  /// For `=~` and `=`: the complete set of values that match, when the expression is a list of at
  /// most 256 literals; else empty.
  const std::vector<std::string>& literal_set() const;
  /// For `=~`: what every matching value begins with; empty when nothing is known.
  std::string_view prefix() const;

  /// `name="value"`, name quoted if it must be.
  std::string to_string() const;
  bool operator==(const Matcher& other) const {
    return type_ == other.type_ && name_ == other.name_ && value_ == other.value_;
  }

 private:
  struct Pattern;
  Matcher(MatchType type, std::string name, std::string value,
          std::shared_ptr<const Pattern> pattern);
  MatchType type_;
  std::string name_;
  std::string value_;
  std::shared_ptr<const Pattern> pattern_;  // null for Equal and NotEqual
};

using Matchers = std::vector<Matcher>;

bool matches_all(const Matchers& matchers, const Labels& labels);

}  // namespace aerie::model
