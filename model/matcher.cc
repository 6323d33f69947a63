#include "model/matcher.h"

#include <re2/re2.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace aerie::model {
namespace {

constexpr size_t kMaxLiterals = 256;

bool is_meta(char c) {
  return std::string_view(R"(\.+*?()|[]{}^$)").find(c) != std::string_view::npos;
}

/// The alternatives of `a|b|c` (in one pair of parentheses or none) if all are literals; nothing
/// otherwise.
std::optional<std::vector<std::string>> split_literals(std::string_view expression) {
  if (expression.size() >= 2 && expression.front() == '(' && expression.back() == ')') {
    expression.remove_prefix(1);
    expression.remove_suffix(1);
    if (expression.substr(0, 2) == "?:") expression.remove_prefix(2);
  }
  std::vector<std::string> literals(1);
  for (size_t i = 0; i < expression.size(); ++i) {
    const char c = expression[i];
    if (c == '|') {
      if (literals.size() == kMaxLiterals) return std::nullopt;
      literals.emplace_back();
    } else if (c == '\\' && i + 1 < expression.size() && is_meta(expression[i + 1])) {
      literals.back() += expression[++i];
    } else if (is_meta(c)) {
      return std::nullopt;
    } else {
      literals.back() += c;
    }
  }
  std::sort(literals.begin(), literals.end());
  literals.erase(std::unique(literals.begin(), literals.end()), literals.end());
  return literals;
}

/// The literal text before the first operator; a last character that a quantifier could drop is
/// left out.
std::string literal_prefix(std::string_view expression) {
  if (expression.find('|') != std::string_view::npos) return {};
  std::string prefix;
  for (size_t i = 0; i < expression.size(); ++i) {
    const char c = expression[i];
    if (!is_meta(c)) {
      prefix += c;
      continue;
    }
    if (c == '*' || c == '?' || c == '{') {
      while (!prefix.empty() && (static_cast<unsigned char>(prefix.back()) & 0xc0) == 0x80)
        prefix.pop_back();
      if (!prefix.empty()) prefix.pop_back();
    }
    if (c == '\\' && i + 1 < expression.size() && is_meta(expression[i + 1])) {
      prefix += expression[++i];
      continue;
    }
    break;
  }
  return prefix;
}

}  // namespace

struct Matcher::Pattern {
  explicit Pattern(const std::string& anchored, const RE2::Options& options)
      : regex(anchored, options) {}
  RE2 regex;
  bool has_literals = false;
  bool matches_anything = false;  // `.*`
  bool matches_any_text = false;  // `.+`
  std::vector<std::string> literals;
  std::string prefix;
};

std::string_view match_type_symbol(MatchType type) {
  switch (type) {
    case MatchType::Equal: return "=";
    case MatchType::NotEqual: return "!=";
    case MatchType::Regex: return "=~";
    case MatchType::NotRegex: return "!~";
  }
  return "=";
}

Matcher::Matcher(MatchType type, std::string name, std::string value,
                 std::shared_ptr<const Pattern> pattern)
    : type_(type), name_(std::move(name)), value_(std::move(value)), pattern_(std::move(pattern)) {}

Result<Matcher> Matcher::make(MatchType type, std::string name, std::string value) {
  std::shared_ptr<Pattern> pattern;
  if (type == MatchType::Regex || type == MatchType::NotRegex) {
    RE2::Options options;
    options.set_dot_nl(true);
    options.set_log_errors(false);
    options.set_max_mem(32 << 20);
    pattern = std::make_shared<Pattern>("^(?s:" + value + ")$", options);
    if (!pattern->regex.ok()) {
      const RE2 alone(value, options);  // the message should speak of what the user wrote
      const std::string& reason = alone.ok() ? pattern->regex.error() : alone.error();
      return Error(ErrorCode::InvalidArgument, "error parsing regexp: " + reason);
    }
    pattern->matches_anything = value == ".*";
    pattern->matches_any_text = value == ".+";
    if (auto literals = split_literals(value)) {
      pattern->has_literals = true;
      pattern->literals = std::move(*literals);
    } else {
      pattern->prefix = literal_prefix(value);
    }
  } else if (type == MatchType::Equal) {
    // Kept as a literal set too, so that index look-ups have one way.
    pattern = std::make_shared<Pattern>("", RE2::Options(RE2::Quiet));
    pattern->has_literals = true;
    pattern->literals = {value};
  }
  return Matcher(type, std::move(name), std::move(value), std::move(pattern));
}

Matcher Matcher::equal(std::string name, std::string value) {
  return make(MatchType::Equal, std::move(name), std::move(value)).value();
}

bool Matcher::matches(std::string_view value) const {
  if (type_ == MatchType::Equal) return value == value_;
  if (type_ == MatchType::NotEqual) return value != value_;
  const Pattern& pattern = *pattern_;
  bool matched = false;
  if (pattern.matches_anything) {
    matched = true;
  } else if (pattern.matches_any_text) {
    matched = !value.empty();
  } else if (pattern.has_literals) {
    matched = std::binary_search(pattern.literals.begin(), pattern.literals.end(), value);
  } else {
    matched = value.substr(0, pattern.prefix.size()) == pattern.prefix &&
              RE2::FullMatch(re2::StringPiece(value.data(), value.size()), pattern.regex);
  }
  return matched == (type_ == MatchType::Regex);
}

const std::vector<std::string>& Matcher::literal_set() const {
  static const std::vector<std::string> kNone;
  const bool positive = type_ == MatchType::Equal || type_ == MatchType::Regex;
  return positive && pattern_->has_literals ? pattern_->literals : kNone;
}

std::string_view Matcher::prefix() const {
  return type_ == MatchType::Regex ? std::string_view(pattern_->prefix) : std::string_view{};
}

std::string Matcher::to_string() const {
  std::string out = is_legacy_label_name(name_) ? name_ : go_quote(name_);
  out += match_type_symbol(type_);
  out += go_quote(value_);
  return out;
}

bool matches_all(const Matchers& matchers, const Labels& labels) {
  return std::all_of(matchers.begin(), matchers.end(),
                     [&](const Matcher& matcher) { return matcher.matches(labels); });
}

}  // namespace aerie::model
