#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace aerie::clusters {

/// A label or field selector as kubectl sends it: `a=b,c!=d,e in (f,g),h notin (i),j,!k`. All terms
/// must hold. A value type.
class KubeSelector {
 public:
  /// Errors: InvalidArgument naming the term.
  static Result<KubeSelector> parse(std::string_view text);
  bool matches(const std::map<std::string, std::string>& labels) const;
  /// The keys it asks for, for who knows only some.
  std::vector<std::string> keys() const;

 private:
  enum class Operator : uint8_t { In, NotIn, Exists, Absent };
  struct Term {
    std::string key;
    Operator how = Operator::Exists;
    std::vector<std::string> values;
  };
  static Result<Term> parse_term(std::string_view text);
  std::vector<Term> terms_;
};

}  // namespace aerie::clusters
