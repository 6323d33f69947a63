#include "clusters/kube_selector.h"

#include <algorithm>
#include <utility>

namespace aerie::clusters {

namespace {

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::vector<std::string> split_values(std::string_view text) {
  std::vector<std::string> values;
  while (true) {
    const size_t comma = text.find(',');
    values.emplace_back(trim(text.substr(0, comma)));
    if (comma == std::string_view::npos) return values;
    text.remove_prefix(comma + 1);
  }
}

/// Where the next term ends: at a comma outside parentheses.
size_t end_of_term(std::string_view text) {
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '(') ++depth;
    if (text[i] == ')') --depth;
    if (text[i] == ',' && depth <= 0) return i;
  }
  return text.size();
}

}  // namespace

Result<KubeSelector::Term> KubeSelector::parse_term(std::string_view text) {
  const auto invalid = [&] {
    return Error(ErrorCode::InvalidArgument, "unable to parse requirement: " + std::string(text));
  };
  Term term;
  const size_t open = text.find('(');
  if (open != std::string_view::npos) {
    if (!text.ends_with(')')) return invalid();
    std::string_view head = trim(text.substr(0, open));
    const size_t blank = head.rfind(' ');
    if (blank == std::string_view::npos) return invalid();
    const std::string_view word = head.substr(blank + 1);
    if (word != "in" && word != "notin") return invalid();
    term.how = word == "in" ? Operator::In : Operator::NotIn;
    term.key = trim(head.substr(0, blank));
    term.values = split_values(text.substr(open + 1, text.size() - open - 2));
    return term;
  }
  const size_t equals = text.find('=');
  if (equals != std::string_view::npos) {
    const bool negated = equals > 0 && text[equals - 1] == '!';
    term.how = negated ? Operator::NotIn : Operator::In;
    term.key = trim(text.substr(0, negated ? equals - 1 : equals));
    std::string_view value = text.substr(equals + 1);
    if (!negated && value.starts_with('=')) value.remove_prefix(1);
    term.values = {std::string(trim(value))};
  } else if (text.starts_with('!')) {
    term.how = Operator::Absent;
    term.key = trim(text.substr(1));
  } else {
    term.key = text;
  }
  if (term.key.empty() || term.key.find(' ') != std::string::npos) return invalid();
  return term;
}

Result<KubeSelector> KubeSelector::parse(std::string_view text) {
  KubeSelector selector;
  while (!text.empty()) {
    const size_t end = end_of_term(text);
    const std::string_view term = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (term.empty()) continue;
    auto parsed = parse_term(term);
    if (!parsed) return std::move(parsed).error();
    selector.terms_.push_back(std::move(*parsed));
  }
  return selector;
}

bool KubeSelector::matches(const std::map<std::string, std::string>& labels) const {
  return std::all_of(terms_.begin(), terms_.end(), [&](const Term& term) {
    const auto found = labels.find(term.key);
    const bool there = found != labels.end();
    const bool listed = there && std::find(term.values.begin(), term.values.end(), found->second) !=
                                     term.values.end();
    switch (term.how) {
      case Operator::In: return listed;
      case Operator::NotIn: return !listed;
      case Operator::Exists: return there;
      case Operator::Absent: return !there;
    }
    return false;
  });
}

std::vector<std::string> KubeSelector::keys() const {
  std::vector<std::string> keys;
  for (const Term& term : terms_) keys.push_back(term.key);
  return keys;
}

}  // namespace aerie::clusters
