#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "alerting/template_functions.h"
#include "alerting/template_lexer.h"
#include "alerting/template_tree.h"
#include "model/go_text.h"
#include "model/labels.h"

namespace aerie::alerting {
namespace {

constexpr int kMaxDepth = 100;

/// Thrown inside this file only, to leave the recursive descent; caught in parse_template().
struct ParseFailure {
  int line;
  std::string what;
};

/// How Go shows a token in error texts.
std::string token_text(const Token& token) {
  if (token.type == TokenType::End) return "EOF";
  if (token.type == TokenType::Error) return token.text;
  if (token.type == TokenType::Keyword) return "<" + token.text + ">";
  if (token.text.size() > 10) return model::go_quote(token.text.substr(0, 10)) + "...";
  return model::go_quote(token.text);
}

class Parser {
 public:
  Parser(std::vector<Token> tokens, TemplateTree& tree) : tokens_(std::move(tokens)), tree_(tree) {}

  void run() {
    tree_.root = make(NodeKind::List, 0);
    while (peek().type != TokenType::End) {
      if (peek().type == TokenType::LeftDelimiter) {
        const size_t start = at_;
        next();
        if (next_non_space().type == TokenType::Keyword && last_.text == "define") {
          definition();
          continue;
        }
        at_ = start;
      }
      TemplateNodePtr node = text_or_action();
      if (ended_by_ != Ending::None) {
        fail(ended_by_ == Ending::End ? "unexpected {{end}}" : "unexpected {{else}}");
      }
      if (node) tree_.root->children.push_back(std::move(node));
    }
  }

 private:
  enum class Ending { None, End, Else };
  struct Depth {
    explicit Depth(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > kMaxDepth) parser_.fail("nested too deeply");
    }
    ~Depth() { --parser_.depth_; }
    Parser& parser_;
  };

  [[noreturn]] void fail(std::string what) { throw ParseFailure{last_.line, std::move(what)}; }
  [[noreturn]] void unexpected(const Token& token, std::string_view context) {
    if (token.type == TokenType::Error) fail(token.text);
    fail(fmt::format("unexpected {} in {}", token_text(token), context));
  }

  static TemplateNodePtr make(NodeKind kind, size_t position) {
    auto node = std::make_unique<TemplateNode>();
    node->kind = kind;
    node->position = position;
    return node;
  }

  const Token& peek() {
    const Token& token = tokens_[at_];
    if (token.type == TokenType::Error) {
      last_ = token;
      fail(token.text);
    }
    return token;
  }
  const Token& next() {
    last_ = peek();
    if (last_.type != TokenType::End) ++at_;
    return last_;
  }
  const Token& next_non_space() {
    while (peek().type == TokenType::Space) ++at_;
    return next();
  }
  const Token& peek_non_space() {
    while (peek().type == TokenType::Space) ++at_;
    return peek();
  }
  Token expect(TokenType type, std::string_view context) {
    const Token token = next_non_space();
    if (token.type != type) unexpected(token, context);
    return token;
  }

  /// Null when it was an `end` or `else`, which `ended_by_` then tells.
  TemplateNodePtr text_or_action() {
    ended_by_ = Ending::None;
    const Token token = next_non_space();
    if (token.type == TokenType::Text) {
      TemplateNodePtr node = make(NodeKind::Text, token.position);
      node->text = token.text;
      return node;
    }
    if (token.type != TokenType::LeftDelimiter) unexpected(token, "input");
    return action();
  }

  TemplateNodePtr action() {
    const Depth depth(*this);
    const Token token = next_non_space();
    if (token.type == TokenType::Keyword) {
      if (token.text == "if") return control(NodeKind::If, "if", token);
      if (token.text == "range") return control(NodeKind::Range, "range", token);
      if (token.text == "with") return control(NodeKind::With, "with", token);
      if (token.text == "template") return template_call();
      if (token.text == "block") return block(token);
      if (token.text == "break" || token.text == "continue") return loop_control(token);
      if (token.text == "end") {
        expect(TokenType::RightDelimiter, "end");
        ended_by_ = Ending::End;
        return nullptr;
      }
      if (token.text == "else") {
        // `else if` and `else with` keep the second word; the caller looks at it.
        const Token& after = peek_non_space();
        if (!(after.type == TokenType::Keyword && (after.text == "if" || after.text == "with"))) {
          expect(TokenType::RightDelimiter, "else");
        }
        ended_by_ = Ending::Else;
        return nullptr;
      }
    }
    --at_;
    TemplateNodePtr node = make(NodeKind::Action, peek().position);
    node->pipeline = pipeline("command", TokenType::RightDelimiter);
    return node;
  }

  TemplateNodePtr loop_control(const Token& token) {
    if (range_depth_ == 0) fail(fmt::format("{{{{{}}}}} outside {{{{range}}}}", token.text));
    expect(TokenType::RightDelimiter, "{{" + token.text + "}}");
    return make(token.text == "break" ? NodeKind::Break : NodeKind::Continue, token.position);
  }

  TemplateNodePtr list() {
    TemplateNodePtr node = make(NodeKind::List, peek_non_space().position);
    while (peek_non_space().type != TokenType::End) {
      TemplateNodePtr child = text_or_action();
      if (ended_by_ != Ending::None) return node;
      node->children.push_back(std::move(child));
    }
    last_ = peek();
    fail("unexpected EOF");
  }

  TemplateNodePtr control(NodeKind kind, std::string_view context, const Token& token) {
    const size_t variables = variables_.size();
    TemplateNodePtr node = make(kind, token.position);
    node->pipeline = pipeline(context, TokenType::RightDelimiter);
    if (kind == NodeKind::Range) ++range_depth_;
    node->body = list();
    if (kind == NodeKind::Range) --range_depth_;
    if (ended_by_ == Ending::Else) {
      const Token& after = peek_non_space();
      const bool chained = after.type == TokenType::Keyword && kind != NodeKind::Range;
      if (chained && ((after.text == "if") == (kind == NodeKind::If))) {
        const Depth depth(*this);
        const Token word = next();
        node->otherwise = make(NodeKind::List, word.position);
        // The nested control eats the one `end`.
        node->otherwise->children.push_back(control(kind, context, word));
      } else if (after.type == TokenType::Keyword) {
        unexpected(next(), "else");
      } else {
        node->otherwise = list();
        if (ended_by_ != Ending::End) fail("expected end; found {{else}}");
      }
    }
    variables_.resize(variables);
    ended_by_ = Ending::None;
    return node;
  }

  std::string quoted_name(std::string_view context) {
    const Token token = next_non_space();
    if (token.type == TokenType::RawString) return token.text.substr(1, token.text.size() - 2);
    if (token.type != TokenType::String) unexpected(token, context);
    auto name = model::go_unquote(token.text);
    if (!name) fail("invalid syntax");
    return std::move(*name);
  }

  TemplateNodePtr template_call() {
    TemplateNodePtr node = make(NodeKind::Call, peek_non_space().position);
    node->text = quoted_name("template clause");
    if (next_non_space().type != TokenType::RightDelimiter) {
      --at_;
      node->pipeline = pipeline("template clause", TokenType::RightDelimiter);
    }
    return node;
  }

  TemplateNodePtr block(const Token& token) {
    TemplateNodePtr node = make(NodeKind::Call, token.position);
    node->text = quoted_name("block clause");
    node->pipeline = pipeline("block clause", TokenType::RightDelimiter);
    define(node->text, "block clause");
    return node;
  }

  void definition() {
    const std::string name = quoted_name("define clause");
    expect(TokenType::RightDelimiter, "define clause");
    define(name, "define clause");
  }

  /// A definition sees no variables but `$`.
  void define(const std::string& name, std::string_view context) {
    std::vector<std::string> outer = std::exchange(variables_, {"$"});
    const int outer_ranges = std::exchange(range_depth_, 0);
    TemplateNodePtr body = list();
    if (ended_by_ != Ending::End) fail(fmt::format("unexpected {{{{else}}}} in {}", context));
    ended_by_ = Ending::None;
    variables_ = std::move(outer);
    range_depth_ = outer_ranges;
    tree_.defined[name] = std::move(body);
  }

  TemplateNodePtr pipeline(std::string_view context, TokenType end) {
    const Depth depth(*this);
    TemplateNodePtr node = make(NodeKind::Pipeline, peek_non_space().position);
    declarations(*node, context);
    while (true) {
      const Token token = next_non_space();
      if (token.type == end) break;
      switch (token.type) {
        case TokenType::Bool:
        case TokenType::Character:
        case TokenType::Dot:
        case TokenType::Field:
        case TokenType::Identifier:
        case TokenType::Number:
        case TokenType::Nil:
        case TokenType::RawString:
        case TokenType::String:
        case TokenType::Variable:
        case TokenType::LeftParen:
          --at_;
          node->children.push_back(command());
          break;
        default: unexpected(token, context);
      }
    }
    if (node->children.empty()) fail(fmt::format("missing value for {}", context));
    for (size_t i = 1; i < node->children.size(); ++i) {
      switch (node->children[i]->children.front()->kind) {
        case NodeKind::Bool:
        case NodeKind::Dot:
        case NodeKind::Nil:
        case NodeKind::Number:
        case NodeKind::String:
          fail(fmt::format("non executable command in pipeline stage {}", i + 1));
        default: break;
      }
    }
    return node;
  }

  /// `$x :=`, `$x =` and, in a range, `$i, $x :=`.
  void declarations(TemplateNode& node, std::string_view context) {
    while (peek_non_space().type == TokenType::Variable) {
      const size_t start = at_;
      const Token variable = next();
      const Token& after = peek_non_space();
      if (after.type == TokenType::Declare || after.type == TokenType::Assign) {
        node.assigns = after.type == TokenType::Assign;
        next();
        declare(node, variable.text);
        return;
      }
      if (after.type != TokenType::Other || after.text != ",") {
        at_ = start;
        return;
      }
      next();
      declare(node, variable.text);
      if (context != "range" || node.names.size() > 1) {
        fail(fmt::format("too many declarations in {}", context));
      }
      if (peek_non_space().type != TokenType::Variable) fail("range can only initialize variables");
    }
  }
  void declare(TemplateNode& node, const std::string& name) {
    node.names.push_back(name);
    variables_.push_back(name);
  }

  TemplateNodePtr command() {
    TemplateNodePtr node = make(NodeKind::Command, peek_non_space().position);
    while (true) {
      peek_non_space();
      if (TemplateNodePtr word = operand()) node->children.push_back(std::move(word));
      const Token token = next();
      if (token.type == TokenType::Space) continue;
      if (token.type == TokenType::RightDelimiter || token.type == TokenType::RightParen) {
        --at_;
      } else if (token.type != TokenType::Pipe) {
        unexpected(token, "operand");
      }
      break;
    }
    if (node->children.empty()) fail("empty command");
    return node;
  }

  TemplateNodePtr operand() {
    TemplateNodePtr node = term();
    if (!node || peek().type != TokenType::Field) return node;
    std::vector<std::string> fields;
    const size_t position = peek().position;
    while (peek().type == TokenType::Field) fields.push_back(next().text.substr(1));
    switch (node->kind) {
      case NodeKind::Field:
      case NodeKind::Variable:
        node->names.insert(node->names.end(), fields.begin(), fields.end());
        node->position = position;  // Go's error texts point at the first field
        return node;
      case NodeKind::Bool:
      case NodeKind::String:
      case NodeKind::Number:
      case NodeKind::Nil:
      case NodeKind::Dot:
        fail(fmt::format("unexpected . after term {}", model::go_quote(node_text(*node))));
      default: break;
    }
    TemplateNodePtr chain = make(NodeKind::Chain, position);
    chain->children.push_back(std::move(node));
    chain->names = std::move(fields);
    return chain;
  }

  /// Null when the next token begins no operand.
  TemplateNodePtr term() {
    const Token token = next_non_space();
    switch (token.type) {
      case TokenType::Identifier: {
        if (!find_template_function(token.text)) {
          fail(fmt::format("function {} not defined", model::go_quote(token.text)));
        }
        TemplateNodePtr node = make(NodeKind::Identifier, token.position);
        node->text = token.text;
        return node;
      }
      case TokenType::Dot: return make(NodeKind::Dot, token.position);
      case TokenType::Nil: return make(NodeKind::Nil, token.position);
      case TokenType::Variable: {
        if (std::find(variables_.begin(), variables_.end(), token.text) == variables_.end()) {
          fail(fmt::format("undefined variable {}", model::go_quote(token.text)));
        }
        TemplateNodePtr node = make(NodeKind::Variable, token.position);
        node->names.push_back(token.text);
        return node;
      }
      case TokenType::Field: {
        TemplateNodePtr node = make(NodeKind::Field, token.position);
        node->names.push_back(token.text.substr(1));
        return node;
      }
      case TokenType::Bool: {
        TemplateNodePtr node = make(NodeKind::Bool, token.position);
        node->source = token.text;
        node->truth = token.text == "true";
        return node;
      }
      case TokenType::Number:
      case TokenType::Character: return number(token);
      case TokenType::String:
      case TokenType::RawString: return string(token);
      case TokenType::LeftParen: return pipeline("parenthesized pipeline", TokenType::RightParen);
      default: --at_; return nullptr;
    }
  }

  TemplateNodePtr string(const Token& token) {
    TemplateNodePtr node = make(NodeKind::String, token.position);
    node->source = token.text;
    if (token.type == TokenType::RawString) {
      node->text = token.text.substr(1, token.text.size() - 2);
      return node;
    }
    auto value = model::go_unquote(token.text);
    if (!value) fail("invalid syntax");
    node->text = std::move(*value);
    return node;
  }

  TemplateNodePtr number(const Token& token) {
    TemplateNodePtr node = make(NodeKind::Number, token.position);
    node->source = token.text;
    if (token.type == TokenType::Character) {
      const auto value = model::go_unquote(token.text);
      if (!value || value->size() != 1) fail("malformed character constant: " + token.text);
      node->is_integer = true;
      node->integer = static_cast<unsigned char>(value->front());
      node->number = static_cast<double>(node->integer);
      return node;
    }
    std::string_view text = token.text;
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    int base = 10;
    if (hexadecimal) {
      text.remove_prefix(2);
      base = 16;
    } else if (text.size() > 1 && text[0] == '0' &&
               text.find_first_not_of("01234567") == std::string_view::npos) {
      base = 8;
    }
    const char* end = text.data() + text.size();
    const auto integer = std::from_chars(text.data(), end, node->integer, base);
    node->is_integer = integer.ec == std::errc() && integer.ptr == end && !text.empty();
    node->number = static_cast<double>(node->integer);
    if (!node->is_integer) {
      const auto real = std::from_chars(text.data(), end, node->number);
      if (hexadecimal || text.empty() || real.ec != std::errc() || real.ptr != end) {
        fail(fmt::format("bad number syntax: {}", model::go_quote(token.text)));
      }
      node->is_float_text = text.find_first_of(".eE") != std::string_view::npos;
      if (!node->is_float_text)
        fail(fmt::format("integer overflow: {}", model::go_quote(token.text)));
    }
    if (negative) {
      node->integer = -node->integer;
      node->number = -node->number;
    }
    return node;
  }

  const std::vector<Token> tokens_;
  TemplateTree& tree_;
  size_t at_ = 0;
  Token last_;
  int depth_ = 0;
  int range_depth_ = 0;
  Ending ended_by_ = Ending::None;
  std::vector<std::string> variables_ = {"$"};
};

std::string joined(const std::vector<TemplateNodePtr>& nodes, std::string_view separator) {
  std::string out;
  for (const TemplateNodePtr& node : nodes) {
    if (!out.empty()) out += separator;
    const bool nested = node->kind == NodeKind::Pipeline;
    out += nested ? "(" + node_text(*node) + ")" : node_text(*node);
  }
  return out;
}

}  // namespace

std::string node_text(const TemplateNode& node) {
  switch (node.kind) {
    case NodeKind::Field: {
      std::string out;
      for (const std::string& name : node.names) out += "." + name;
      return out;
    }
    case NodeKind::Variable: return fmt::format("{}", fmt::join(node.names, "."));
    case NodeKind::Dot: return ".";
    case NodeKind::Nil: return "nil";
    case NodeKind::Bool:
    case NodeKind::Number:
    case NodeKind::String: return node.source;
    case NodeKind::Identifier: return node.text;
    case NodeKind::Chain: {
      std::string out = joined(node.children, "");
      for (const std::string& name : node.names) out += "." + name;
      return out;
    }
    case NodeKind::Command: return joined(node.children, " ");
    case NodeKind::Pipeline: {
      std::string out;
      if (!node.names.empty()) {
        out = fmt::format("{} {} ", fmt::join(node.names, ", "), node.assigns ? "=" : ":=");
      }
      return out + joined(node.children, " | ");
    }
    case NodeKind::Action: return "{{" + node_text(*node.pipeline) + "}}";
    case NodeKind::Call: {
      const std::string argument = node.pipeline ? " " + node_text(*node.pipeline) : "";
      return "{{template " + model::go_quote(node.text) + argument + "}}";
    }
    case NodeKind::If:
    case NodeKind::Range:
    case NodeKind::With: return node_text(*node.pipeline);
    case NodeKind::Break: return "{{break}}";
    case NodeKind::Continue: return "{{continue}}";
    case NodeKind::Text:
    case NodeKind::List: return node.text;
  }
  return {};
}

Result<TemplateTree> parse_template(std::string name, std::string text) {
  TemplateTree tree;
  tree.name = std::move(name);
  tree.text = std::move(text);
  try {
    Parser(lex_template(tree.text), tree).run();
  } catch (const ParseFailure& failure) {
    return Error(ErrorCode::InvalidArgument,
                 fmt::format("template: {}:{}: {}", tree.name, failure.line, failure.what));
  }
  return tree;
}

}  // namespace aerie::alerting
