#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace aerie::alerting {

/// The parsed form of a Go text/template. Immutable after parsing; safe to share.
struct TemplateNode;
using TemplateNodePtr = std::unique_ptr<TemplateNode>;

enum class NodeKind : uint8_t {
  // What stands in a list.
  Text,
  Action,
  If,
  Range,
  With,
  Call,
  Break,
  Continue,
  List,
  // What stands in an action.
  Pipeline,
  Command,
  Field,
  Variable,
  Dot,
  Nil,
  Bool,
  Number,
  String,
  Chain,
  Identifier
};

struct TemplateNode {
  NodeKind kind = NodeKind::Text;
  size_t position = 0;  ///< byte offset into the template
  std::string text;  ///< Text: itself; String: its value; Bool, Number, String: source in `source`;
                     ///< Call: name
  std::string source;              ///< Bool, Number, String: as written
  std::vector<std::string> names;  ///< Field and Chain: the fields; Variable: `$x` and fields;
                                   ///< Pipeline: declared variables
  bool assigns = false;            ///< Pipeline: `=` rather than `:=`
  bool truth = false;              ///< Bool
  bool is_integer = false;         ///< Number: usable as an integer
  bool is_float_text = false;      ///< Number: written with a point or exponent
  int64_t integer = 0;
  double number = 0;
  std::vector<TemplateNodePtr>
      children;               ///< List: nodes; Pipeline: commands; Command: words; Chain: its base
  TemplateNodePtr pipeline;   ///< Action, If, Range, With, Call (may be null there)
  TemplateNodePtr body;       ///< If, Range, With
  TemplateNodePtr otherwise;  ///< the same; may be null
};

/// A template with what it defines.
struct TemplateTree {
  std::string name;
  std::string text;
  TemplateNodePtr root;                            ///< a List
  std::map<std::string, TemplateNodePtr> defined;  ///< by `define` and `block`
};

/// Parses as Go's text/template does. Errors: InvalidArgument with Go's text, `template: name:1:
/// unexpected EOF`.
Result<TemplateTree> parse_template(std::string name, std::string text);

/// The node as Go prints it in error texts.
std::string node_text(const TemplateNode& node);

}  // namespace aerie::alerting
