#include "alerting/template.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "alerting/template_functions.h"
#include "alerting/template_tree.h"
#include "alerting/template_value.h"

namespace aerie::alerting {
namespace {

/// What Prometheus puts before every label and annotation; also makes the positions in error texts
/// equal to its own.
constexpr std::string_view kPrelude =
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := "
    ".ExternalURL}}{{$value := .Value}}";
constexpr size_t kMaxOutputBytes = 1u << 20;
constexpr int kMaxSteps = 1'000'000;
constexpr int kMaxNesting =
    400;  // of blocks, pipelines and template calls together: bounds the stack

/// Thrown inside this file only, to leave the recursive evaluation; caught in Template::expand().
struct ExecutionFailure {
  std::string what;
};

/// Evaluates one template once. One thread.
class Execution {
 public:
  Execution(const TemplateTree& tree, const TemplateEnvironment& environment)
      : tree_(tree), environment_(environment) {}

  std::string run(const TemplateValue& data) {
    variables_.emplace_back("$", data);
    walk_list(*tree_.root, data);
    return std::move(out_);
  }

 private:
  enum class Flow { Next, Break, Continue };
  using Arguments = std::vector<TemplateValue>;

  /// Go's ExecError text: place, the node, what went wrong.
  [[noreturn]] void fail(const TemplateNode& node, std::string_view what) const {
    const std::string_view before = std::string_view(tree_.text).substr(0, node.position);
    const size_t newline = before.rfind('\n');
    const size_t column =
        newline == std::string_view::npos ? before.size() : before.size() - newline - 1;
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    throw ExecutionFailure{fmt::format("template: {}:{}:{}: executing {} at <{}>: {}", tree_.name,
                                       line, column, model::go_quote(tree_.name), node_text(node),
                                       what)};
  }

  void step(const TemplateNode& node) {
    if (++steps_ > kMaxSteps) fail(node, "the template takes too long");
  }
  void write(const TemplateNode& node, std::string_view text) {
    if (out_.size() + text.size() > kMaxOutputBytes) fail(node, "the output is too large");
    out_ += text;
  }

  /// Counts how deep the evaluation is.
  struct Nesting {
    Nesting(Execution& execution, const TemplateNode& node) : execution_(execution) {
      if (++execution_.nesting_ > kMaxNesting) {
        execution_.fail(node, fmt::format("exceeded maximum template depth ({})", kMaxNesting));
      }
    }
    ~Nesting() { --execution_.nesting_; }
    Execution& execution_;
  };

  Flow walk_list(const TemplateNode& list, const TemplateValue& dot) {
    const Nesting nesting(*this, list);
    for (const TemplateNodePtr& node : list.children) {
      const Flow flow = walk(*node, dot);
      if (flow != Flow::Next) return flow;
    }
    return Flow::Next;
  }

  Flow walk(const TemplateNode& node, const TemplateValue& dot) {
    step(node);
    switch (node.kind) {
      case NodeKind::Text: write(node, node.text); return Flow::Next;
      case NodeKind::Action: {
        const TemplateValue value = pipeline(*node.pipeline, dot);
        if (node.pipeline->names.empty()) write(node, print_value(value));
        return Flow::Next;
      }
      case NodeKind::If:
      case NodeKind::With: return branch(node, dot);
      case NodeKind::Range: return range(node, dot);
      case NodeKind::Call: call_template(node, dot); return Flow::Next;
      case NodeKind::Break: return Flow::Break;
      case NodeKind::Continue: return Flow::Continue;
      case NodeKind::List: return walk_list(node, dot);
      default: fail(node, "can't walk this node");
    }
  }

  Flow branch(const TemplateNode& node, const TemplateValue& dot) {
    const size_t variables = variables_.size();
    const TemplateValue value = pipeline(*node.pipeline, dot);
    Flow flow = Flow::Next;
    if (is_true(value)) {
      flow = walk_list(*node.body, node.kind == NodeKind::With ? value : dot);
    } else if (node.otherwise) {
      flow = walk_list(*node.otherwise, dot);
    }
    forget_variables(variables);
    return flow;
  }

  Flow range(const TemplateNode& node, const TemplateValue& dot) {
    const size_t outer = variables_.size();
    const TemplateValue value = pipeline(*node.pipeline, dot);
    const size_t inner = variables_.size();
    bool any = false;
    bool stop = false;
    const auto one = [&](const TemplateValue& key, const TemplateValue& element) {
      if (stop) return;
      any = true;
      step(node);
      bind_range_variables(*node.pipeline, key, element);
      stop = walk_list(*node.body, element) == Flow::Break;
      forget_variables(inner);
    };
    if (const auto* list = value.as<TemplateValue::ListPtr>()) {
      for (size_t i = 0; i < (*list)->size(); ++i)
        one(TemplateValue::of(static_cast<int64_t>(i)), (**list)[i]);
    } else if (const auto* map = value.as<TemplateValue::MapPtr>()) {
      for (const auto& [key, element] : (*map)->values) one(TemplateValue::of(key), element);
    } else if (const auto* count = value.as<int64_t>()) {
      for (int64_t i = 0; i < *count && !stop; ++i) one(TemplateValue::of(i), TemplateValue::of(i));
    } else if (!value.is_nil()) {
      fail(*node.pipeline, fmt::format("range can't iterate over {}", print_value(value)));
    }
    if (!any && node.otherwise) walk_list(*node.otherwise, dot);
    forget_variables(outer);
    return Flow::Next;
  }

  /// `range $e := …` binds the element, `range $k, $e := …` both. The pipeline itself has bound the
  /// first name to the whole.
  void bind_range_variables(const TemplateNode& node, const TemplateValue& key,
                            const TemplateValue& element) {
    if (node.names.empty()) return;
    const bool both = node.names.size() > 1;
    set_variable(node, node.names[0], both ? key : element);
    if (both) set_variable(node, node.names[1], element);
  }

  void call_template(const TemplateNode& node, const TemplateValue& dot) {
    const auto found = tree_.defined.find(node.text);
    if (found == tree_.defined.end()) {
      fail(node, fmt::format("template {} not defined", model::go_quote(node.text)));
    }
    const TemplateValue argument = node.pipeline ? pipeline(*node.pipeline, dot) : TemplateValue();
    auto outer = std::exchange(variables_, {});
    variables_.emplace_back("$", argument);
    walk_list(*found->second, argument);
    variables_ = std::move(outer);
  }

  void forget_variables(size_t count) {
    variables_.erase(variables_.begin() + static_cast<ptrdiff_t>(count), variables_.end());
  }

  void set_variable(const TemplateNode& node, const std::string& name, const TemplateValue& value) {
    for (auto variable = variables_.rbegin(); variable != variables_.rend(); ++variable) {
      if (variable->first != name) continue;
      variable->second = value;
      return;
    }
    fail(node, "undefined variable: " + name);
  }
  const TemplateValue& variable(const TemplateNode& node) const {
    for (auto found = variables_.rbegin(); found != variables_.rend(); ++found) {
      if (found->first == node.names[0]) return found->second;
    }
    fail(node, "undefined variable: " + node.names[0]);
  }

  TemplateValue pipeline(const TemplateNode& node, const TemplateValue& dot) {
    const Nesting nesting(*this, node);
    step(node);
    TemplateValue value;
    const TemplateValue* final = nullptr;
    for (const TemplateNodePtr& child : node.children) {
      TemplateValue next = command(*child, dot, final);
      value = std::move(next);
      final = &value;
    }
    for (const std::string& name : node.names) {
      if (node.assigns) {
        set_variable(node, name, value);
      } else {
        variables_.emplace_back(name, value);
      }
    }
    return value;
  }

  /// `final` is what the command before piped in; null for the first.
  TemplateValue command(const TemplateNode& node, const TemplateValue& dot,
                        const TemplateValue* final) {
    const TemplateNode& first = *node.children.front();
    switch (first.kind) {
      case NodeKind::Identifier: return function(node, first, dot, final);
      case NodeKind::Field: return fields(node, first, dot, dot, final, 0);
      case NodeKind::Variable: return fields(node, first, dot, variable(first), final, 1);
      case NodeKind::Chain:
        return fields(node, first, dot, operand(*first.children.front(), dot), final, 0);
      case NodeKind::Pipeline: no_arguments(node, first, final); return pipeline(first, dot);
      default: break;
    }
    no_arguments(node, first, final);
    if (first.kind == NodeKind::Nil) fail(first, "nil is not a command");
    return operand(first, dot);
  }

  void no_arguments(const TemplateNode& node, const TemplateNode& first,
                    const TemplateValue* final) const {
    if (node.children.size() > 1 || final != nullptr) {
      fail(first, fmt::format("can't give argument to non-function {}", node_text(first)));
    }
  }

  /// One word of a command, not called.
  TemplateValue operand(const TemplateNode& node, const TemplateValue& dot) {
    step(node);
    switch (node.kind) {
      case NodeKind::Dot: return dot;
      case NodeKind::Nil: return {};
      case NodeKind::Bool: return TemplateValue::of(node.truth);
      case NodeKind::Number:
        return node.is_float_text ? TemplateValue::of(node.number)
                                  : TemplateValue::of(node.integer);
      case NodeKind::String: return TemplateValue::of(node.text);
      case NodeKind::Field: return field_chain(node, dot, 0, node.names.size());
      case NodeKind::Variable: return field_chain(node, variable(node), 1, node.names.size());
      case NodeKind::Chain:
        return field_chain(node, operand(*node.children.front(), dot), 0, node.names.size());
      case NodeKind::Identifier: return call(node, node, *find_template_function(node.text), {});
      case NodeKind::Pipeline: {
        const size_t variables = variables_.size();
        TemplateValue value = pipeline(node, dot);
        forget_variables(variables);
        return value;
      }
      default: fail(node, "can't evaluate this");
    }
  }

  /// Fields behind a value; the last may be a method that takes the command's other words.
  TemplateValue fields(const TemplateNode& node, const TemplateNode& first,
                       const TemplateValue& dot, const TemplateValue& start,
                       const TemplateValue* final, size_t from) {
    const bool has_arguments = node.children.size() > 1 || final != nullptr;
    if (first.names.size() == from) {
      no_arguments(node, first, final);
      return start;
    }
    if (!has_arguments) return field_chain(first, start, from, first.names.size());
    const TemplateValue receiver = field_chain(first, start, from, first.names.size() - 1);
    Arguments arguments;
    for (size_t i = 1; i < node.children.size(); ++i)
      arguments.push_back(operand(*node.children[i], dot));
    if (final != nullptr) arguments.push_back(*final);
    auto result = call_method(receiver, first.names.back(), arguments);
    if (!result) {
      fail(first,
           fmt::format("{} has arguments but cannot be invoked as function", first.names.back()));
    }
    if (!*result)
      fail(node,
           fmt::format("error calling {}: {}", first.names.back(), result->error().message()));
    return std::move(**result);
  }

  TemplateValue field_chain(const TemplateNode& node, TemplateValue value, size_t from,
                            size_t to) const {
    for (size_t i = from; i < to; ++i) {
      TemplateValue next = field(node, value, node.names[i]);
      value = std::move(next);
    }
    return value;
  }

  TemplateValue field(const TemplateNode& node, const TemplateValue& value,
                      const std::string& name) const {
    if (const auto* map = value.as<TemplateValue::MapPtr>()) {
      const auto found = (*map)->values.find(name);
      if (found != (*map)->values.end()) return found->second;
      return (*map)->of_strings ? TemplateValue::of(std::string()) : TemplateValue();
    }
    if (const auto* object = value.as<TemplateValue::StructPtr>()) {
      for (const auto& [field_name, field_value] : (*object)->fields) {
        if (field_name == name) return field_value;
      }
    }
    if (auto result = call_method(value, name, {})) {
      if (!*result)
        fail(node, fmt::format("error calling {}: {}", name, result->error().message()));
      return std::move(**result);
    }
    if (value.is_nil())
      fail(node, fmt::format("nil data; no entry for key {}", model::go_quote(name)));
    fail(node, fmt::format("can't evaluate field {} in type {}", name, type_name(value)));
  }

  TemplateValue function(const TemplateNode& node, const TemplateNode& name,
                         const TemplateValue& dot, const TemplateValue* final) {
    const TemplateFunction& found = *find_template_function(name.text);
    const size_t count = node.children.size() - 1 + (final != nullptr ? 1 : 0);
    check_count(name, found, count);
    if (name.text == "and" || name.text == "or")
      return early_stop(node, dot, final, name.text == "or");
    Arguments arguments;
    for (size_t i = 1; i < node.children.size(); ++i) {
      arguments.push_back(argument(*node.children[i], dot, parameter(found, i - 1)));
    }
    if (final != nullptr) {
      check_type(node, *final, parameter(found, arguments.size()));
      arguments.push_back(*final);
    }
    return call(node, name, found, arguments);
  }

  static ParameterType parameter(const TemplateFunction& function, size_t index) {
    return function.parameters[std::min(index, function.parameters.size() - 1)];
  }

  void check_count(const TemplateNode& node, const TemplateFunction& function, size_t count) const {
    const size_t wanted = function.parameters.size();
    if (function.variadic && count + 1 < wanted) {
      fail(node, fmt::format("wrong number of args for {}: want at least {} got {}", function.name,
                             wanted - 1, count));
    }
    if (!function.variadic && count != wanted) {
      fail(node, fmt::format("wrong number of args for {}: want {} got {}", function.name, wanted,
                             count));
    }
  }

  TemplateValue early_stop(const TemplateNode& node, const TemplateValue& dot,
                           const TemplateValue* final, bool stop_at) {
    TemplateValue value;
    for (size_t i = 1; i < node.children.size(); ++i) {
      value = operand(*node.children[i], dot);
      if (is_true(value) == stop_at) return value;
    }
    return final != nullptr ? *final : value;
  }

  TemplateValue argument(const TemplateNode& node, const TemplateValue& dot, ParameterType type) {
    const bool literal = node.kind == NodeKind::Bool || node.kind == NodeKind::Number ||
                         node.kind == NodeKind::String;
    if (literal && type == ParameterType::String && node.kind != NodeKind::String) {
      fail(node, fmt::format("expected string; found {}", node_text(node)));
    }
    if (literal && type != ParameterType::String && type != ParameterType::Any) {
      fail(node, fmt::format("can't handle {} for arg of type {}", node_text(node),
                             parameter_type_name(type)));
    }
    TemplateValue value = operand(node, dot);
    check_type(node, value, type);
    return value;
  }

  void check_type(const TemplateNode& node, const TemplateValue& value, ParameterType type) const {
    bool fits = true;
    if (type == ParameterType::String) fits = value.as<std::string>() != nullptr;
    if (type == ParameterType::Samples) fits = value.as<TemplateValue::ListPtr>() != nullptr;
    if (type == ParameterType::Sample) fits = type_name(value) == parameter_type_name(type);
    if (fits) return;
    if (value.is_nil())
      fail(node, fmt::format("invalid value; expected {}", parameter_type_name(type)));
    fail(node, fmt::format("wrong type for value; expected {}; got {}", parameter_type_name(type),
                           type_name(value)));
  }

  TemplateValue call(const TemplateNode& node, const TemplateNode& name,
                     const TemplateFunction& function, const Arguments& arguments) const {
    check_count(node, function, arguments.size());
    auto result = function.call(environment_, arguments);
    if (!result)
      fail(node, fmt::format("error calling {}: {}", name.text, result.error().message()));
    return std::move(*result);
  }

  const TemplateTree& tree_;
  const TemplateEnvironment& environment_;
  std::vector<std::pair<std::string, TemplateValue>> variables_;
  std::string out_;
  int steps_ = 0;
  int nesting_ = 0;
};

TemplateValue data_value(const TemplateData& data, const TemplateEnvironment& environment) {
  auto object = std::make_shared<TemplateStruct>();
  object->type_name =
      "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; "
      "Value float64 }";
  object->fields.emplace_back("Labels", labels_value(data.labels));
  object->fields.emplace_back("ExternalLabels", labels_value(data.external_labels));
  object->fields.emplace_back("ExternalURL", TemplateValue::of(environment.external_url));
  object->fields.emplace_back("Value", TemplateValue::of(data.value));
  return TemplateValue::of(TemplateValue::StructPtr(std::move(object)));
}

}  // namespace

Template::Template(std::string text, std::shared_ptr<const TemplateTree> tree)
    : text_(std::move(text)), tree_(std::move(tree)) {}

Result<Template> Template::parse(std::string_view name, std::string_view text) {
  if (text.find("{{") == std::string_view::npos) return Template(std::string(text), nullptr);
  auto tree = parse_template(std::string(name), std::string(kPrelude).append(text));
  if (!tree) return std::move(tree).error();
  return Template(std::string(text), std::make_shared<const TemplateTree>(std::move(*tree)));
}

Result<Template> Template::plain(std::string_view text) {
  return Template(std::string(text), nullptr);
}

Result<std::string> Template::expand(const TemplateData& data,
                                     const TemplateEnvironment& environment) const {
  if (!tree_) return text_;
  try {
    return Execution(*tree_, environment).run(data_value(data, environment));
  } catch (const ExecutionFailure& failure) {
    return Error(ErrorCode::Execution,
                 fmt::format("error executing template {}: {}", tree_->name, failure.what));
  }
}

std::string Template::expand_or_explain(const TemplateData& data,
                                        const TemplateEnvironment& environment) const {
  auto text = expand(data, environment);
  if (text) return std::move(*text);
  return fmt::format("<error expanding template: {}>", text.error().message());
}

}  // namespace aerie::alerting
