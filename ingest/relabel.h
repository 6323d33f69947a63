#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace aerie::ingest {

/// One rule of Prometheus's relabel_config language, as written.
struct RelabelRule {
  enum class Action : uint8_t {
    Replace,
    Lowercase,
    Uppercase,
    Keep,
    Drop,
    KeepEqual,
    DropEqual,
    HashMod,
    LabelMap,
    LabelDrop,
    LabelKeep
  };
  static constexpr const char* kAnything = "(.*)";
  static constexpr const char* kFirstGroup = "$1";

  std::vector<std::string> source_labels;
  std::string separator = ";";
  std::string target_label;
  std::string regex = kAnything;
  uint64_t modulus = 0;
  std::string replacement = kFirstGroup;
  Action action = Action::Replace;
  bool operator==(const RelabelRule&) const = default;
};

/// The action of a name as in a configuration file, in any case. Errors: InvalidArgument with the
/// names there are.
Result<RelabelRule::Action> parse_relabel_action(std::string_view name);

/// Rules ready to run: regular expressions are RE2, anchored at both ends, dot matches newline; the
/// semantics are those of Prometheus 3 (model/relabel). Meant to run once per series, not per
/// sample. Immutable, thread-safe, cheap to copy.
class Relabeller {
 public:
  using LabelMap = std::map<std::string, std::string, std::less<>>;

  Relabeller() = default;  ///< changes nothing
  /// Errors: InvalidArgument `rule 2: …` for what Prometheus refuses as well.
  static Result<Relabeller> compile(const std::vector<RelabelRule>& rules);
  bool empty() const { return rules_ == nullptr; }
  /// Changes the labels; false if the series is dropped.
  bool apply(LabelMap& labels) const;

 private:
  struct Rule;
  std::shared_ptr<const std::vector<Rule>> rules_;
};

}  // namespace aerie::ingest
