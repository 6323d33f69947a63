#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace aerie {

struct YamlEntry;

/// One node of a parsed YAML file, for strict reading of configuration: every complaint names file,
/// line and column and says what was expected. An immutable value that shares its document; cheap
/// to copy, safe to read from any thread.
///
/// All errors are InvalidArgument and begin `file:line:column: `. Aliases and merge keys (`<<`) are
/// resolved; repeated keys, a second document, more than 64 levels and more than 500,000 nodes
/// (aliases counted expanded) are errors of parse().
class YamlNode {
 public:
  enum class Kind : uint8_t { Null, Scalar, Sequence, Map };

  /// An empty text gives a Null node. `file_name` is what error texts show.
  static Result<YamlNode> parse(std::string_view text, std::string_view file_name);

  Kind kind() const;
  bool is_null() const { return kind() == Kind::Null; }
  bool is_map() const { return kind() == Kind::Map; }
  bool is_sequence() const { return kind() == Kind::Sequence; }
  int line() const;    ///< from 1
  int column() const;  ///< from 1
  /// `rules.yml:3:7`.
  std::string where() const;
  /// An InvalidArgument at this place: `rules.yml:3:7: what`.
  Error error(std::string_view what) const;

  /// The text of a scalar, quoted or not; empty for Null. Errors: a sequence or map.
  Result<std::string> as_string() const;
  /// A decimal integer within [min, max], not quoted.
  Result<int64_t> as_integer(int64_t min = std::numeric_limits<int64_t>::min(),
                             int64_t max = std::numeric_limits<int64_t>::max()) const;
  Result<double> as_number() const;
  /// true, false, yes, no, on, off.
  Result<bool> as_boolean() const;
  /// The items of a sequence; none for Null.
  Result<std::vector<YamlNode>> as_sequence() const;
  /// A sequence of scalars; none for Null.
  Result<std::vector<std::string>> as_strings() const;
  /// The entries of a map in the file's order; none for Null.
  Result<std::vector<YamlEntry>> as_map() const;
  /// A map of scalars in the file's order; none for Null.
  Result<std::vector<std::pair<std::string, std::string>>> as_string_map() const;

  /// A map (or Null) all of whose keys are among `allowed`; the error names the unknown key, its
  /// place and the nearest known key.
  Status expect_keys(std::span<const std::string_view> allowed) const;
  Status expect_keys(std::initializer_list<std::string_view> allowed) const {
    return expect_keys(std::span<const std::string_view>(allowed.begin(), allowed.size()));
  }
  /// The value under `key`, if this is a map that has it.
  std::optional<YamlNode> find(std::string_view key) const;
  /// find(), or an error that `key` is missing here.
  Result<YamlNode> require(std::string_view key) const;

  /// The value under `key`, or the fallback when the key is absent or its value is Null.
  Result<std::string> get_string(std::string_view key, std::string_view fallback = {}) const;
  Result<int64_t> get_integer(std::string_view key, int64_t fallback, int64_t min,
                              int64_t max) const;
  Result<double> get_number(std::string_view key, double fallback) const;
  Result<bool> get_boolean(std::string_view key, bool fallback) const;
  Result<std::vector<YamlNode>> get_sequence(std::string_view key) const;
  Result<std::vector<std::string>> get_strings(std::string_view key) const;
  Result<std::vector<std::pair<std::string, std::string>>> get_string_map(
      std::string_view key) const;

 private:
  struct Document;
  struct Data;
  struct Builder;
  YamlNode(std::shared_ptr<const Document> document, const Data* data);

  std::shared_ptr<const Document> document_;
  const Data* data_;  // inside *document_
};

/// `name` is the key's text, `key` its place.
struct YamlEntry {
  std::string name;
  YamlNode key;
  YamlNode value;
};

}  // namespace aerie
