#include "ingest/relabel.h"

#include <fmt/core.h>
#include <locale.h>
#include <openssl/evp.h>
#include <re2/re2.h>
#include <wctype.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "model/labels.h"

namespace aerie::ingest {
namespace {

using Action = RelabelRule::Action;

constexpr std::pair<std::string_view, Action> kActions[] = {
    {"replace", Action::Replace},     {"lowercase", Action::Lowercase},
    {"uppercase", Action::Uppercase}, {"keep", Action::Keep},
    {"drop", Action::Drop},           {"keepequal", Action::KeepEqual},
    {"dropequal", Action::DropEqual}, {"hashmod", Action::HashMod},
    {"labelmap", Action::LabelMap},   {"labeldrop", Action::LabelDrop},
    {"labelkeep", Action::LabelKeep}};

std::string_view name_of(Action action) {
  for (const auto& [name, value] : kActions) {
    if (value == action) return name;
  }
  return "?";
}

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

re2::StringPiece piece_of(std::string_view text) { return {text.data(), text.size()}; }

using Groups = std::vector<re2::StringPiece>;

// Matches the whole text; groups[0] is all of it.
bool match(const RE2& regex, std::string_view text, Groups& groups) {
  groups.resize(static_cast<size_t>(regex.NumberOfCapturingGroups()) + 1);
  return regex.Match(piece_of(text), 0, text.size(), RE2::ANCHOR_BOTH, groups.data(),
                     static_cast<int>(groups.size()));
}

std::string_view group_named(std::string_view name, const RE2& regex, const Groups& groups) {
  size_t number = groups.size();
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) {
    const auto& named = regex.NamedCapturingGroups();
    const auto found = named.find(std::string(name));
    if (found == named.end()) return {};
    number = static_cast<size_t>(found->second);
  }
  if (number >= groups.size() || groups[number].data() == nullptr) return {};
  return {groups[number].data(), groups[number].size()};
}

// Go's Regexp.Expand: $1, ${1}, $name, ${name}; the longest name counts; $$ is a dollar sign.
std::string expand(std::string_view text, const RE2& regex, const Groups& groups) {
  std::string out;
  while (!text.empty()) {
    const size_t dollar = text.find('$');
    out += text.substr(0, dollar);
    if (dollar == std::string_view::npos) break;
    text.remove_prefix(dollar + 1);
    if (text.starts_with('$')) {
      out += '$';
      text.remove_prefix(1);
      continue;
    }
    const bool braces = text.starts_with('{');
    const std::string_view rest = text.substr(braces ? 1 : 0);
    size_t length = 0;
    while (length < rest.size() && is_word(rest[length])) ++length;
    if (length == 0 || (braces && (length == rest.size() || rest[length] != '}'))) {
      out += '$';  // no reference after all
      continue;
    }
    out += group_named(rest.substr(0, length), regex, groups);
    text.remove_prefix(length + (braces ? 2 : 0));
  }
  return out;
}

// Changes the case of every code point, as Go's strings.ToLower and ToUpper.
std::string with_case(const std::string& text, wint_t (*change)(wint_t, locale_t)) {
  static const locale_t kUnicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (kUnicode == nullptr || !model::is_valid_utf8(text)) return text;
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at]);
    const size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint32_t code = length == 1 ? first : first & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; ++i)
      code = code << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3f);
    at += length;
    code = change(code, kUnicode);
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (code < 0x800) {
      out += static_cast<char>(0xc0 | code >> 6);
    } else if (code < 0x10000) {
      out += static_cast<char>(0xe0 | code >> 12);
    } else {
      out += static_cast<char>(0xf0 | code >> 18);
      out += static_cast<char>(0x80 | ((code >> 12) & 0x3f));
    }
    if (code >= 0x800) out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    if (code >= 0x80) out += static_cast<char>(0x80 | (code & 0x3f));
  }
  return out;
}

// The second half of MD5, big-endian: what Prometheus shards by.
uint64_t md5_tail(const std::string& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_md5(), nullptr) != 1)
    return 0;
  uint64_t tail = 0;
  for (size_t i = 8; i < 16; ++i) tail = tail << 8 | digest[i];
  return tail;
}

void set(Relabeller::LabelMap& labels, const std::string& name, std::string value) {
  if (value.empty()) {
    labels.erase(name);
  } else {
    labels[name] = std::move(value);
  }
}

const std::string& value_of(const Relabeller::LabelMap& labels, const std::string& name) {
  static const std::string kEmpty;
  const auto found = labels.find(name);
  return found == labels.end() ? kEmpty : found->second;
}

std::optional<std::string> fault_of(const RelabelRule& rule) {
  const std::string action(name_of(rule.action));
  const bool names_only = rule.action == Action::LabelDrop || rule.action == Action::LabelKeep;
  const bool compares = rule.action == Action::KeepEqual || rule.action == Action::DropEqual;
  const bool needs_target = compares || rule.action == Action::Replace ||
                            rule.action == Action::HashMod || rule.action == Action::Lowercase ||
                            rule.action == Action::Uppercase;
  if (needs_target && rule.target_label.empty()) return action + " requires target_label";
  if (rule.action == Action::HashMod && rule.modulus == 0)
    return "hashmod requires modulus greater than 0";
  const bool other_fields =
      rule.modulus != 0 || rule.separator != ";" || rule.replacement != RelabelRule::kFirstGroup;
  if (names_only && (other_fields || !rule.source_labels.empty() || !rule.target_label.empty()))
    return action + " takes regex and no other field";
  if (compares && (other_fields || rule.regex != RelabelRule::kAnything))
    return action + " takes source_labels and target_label and no other field";
  if (!model::is_valid_utf8(rule.target_label) || !model::is_valid_utf8(rule.replacement))
    return "target_label and replacement must be UTF-8";
  return std::nullopt;
}

}  // namespace

struct Relabeller::Rule {
  RelabelRule text;
  std::unique_ptr<const RE2> regex;

  bool apply(LabelMap& labels) const;
  void replace(LabelMap& labels, const std::string& value) const;
  void change_names(LabelMap& labels) const;
};

Result<Action> parse_relabel_action(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  std::string known;
  for (const auto& [text, action] : kActions) {
    if (text == lower) return action;
    known.append(known.empty() ? "" : ", ").append(text);
  }
  return Error(
      ErrorCode::InvalidArgument,
      fmt::format("unknown relabel action \"{}\"; there are {}", std::string(name), known));
}

Result<Relabeller> Relabeller::compile(const std::vector<RelabelRule>& rules) {
  Relabeller relabeller;
  if (rules.empty()) return relabeller;
  auto compiled = std::make_shared<std::vector<Rule>>();
  for (size_t i = 0; i < rules.size(); ++i) {
    if (const auto fault = fault_of(rules[i]))
      return Error(ErrorCode::InvalidArgument, fmt::format("rule {}: {}", i + 1, *fault));
    RE2::Options options(RE2::Quiet);
    auto regex = std::make_unique<const RE2>("(?s:" + rules[i].regex + ")", options);
    if (!regex->ok()) {
      return Error(ErrorCode::InvalidArgument,
                   fmt::format("rule {}: regex \"{}\": {}", i + 1, rules[i].regex, regex->error()));
    }
    compiled->push_back({rules[i], std::move(regex)});
  }
  relabeller.rules_ = std::move(compiled);
  return relabeller;
}

bool Relabeller::apply(LabelMap& labels) const {
  if (rules_ == nullptr) return true;
  return std::all_of(rules_->begin(), rules_->end(),
                     [&](const Rule& rule) { return rule.apply(labels); });
}

bool Relabeller::Rule::apply(LabelMap& labels) const {
  std::string value;
  for (size_t i = 0; i < text.source_labels.size(); ++i) {
    if (i > 0) value += text.separator;
    value += value_of(labels, text.source_labels[i]);
  }
  const auto matches = [&] { return RE2::FullMatch(piece_of(value), *regex); };
  switch (text.action) {
    case Action::Drop: return !matches();
    case Action::Keep: return matches();
    case Action::DropEqual: return value_of(labels, text.target_label) != value;
    case Action::KeepEqual: return value_of(labels, text.target_label) == value;
    case Action::Replace: replace(labels, value); return true;
    case Action::Lowercase:
      set(labels, text.target_label, with_case(value, towlower_l));
      return true;
    case Action::Uppercase:
      set(labels, text.target_label, with_case(value, towupper_l));
      return true;
    case Action::HashMod:
      set(labels, text.target_label, std::to_string(md5_tail(value) % text.modulus));
      return true;
    case Action::LabelMap:
    case Action::LabelDrop:
    case Action::LabelKeep: change_names(labels); return true;
  }
  return true;
}

void Relabeller::Rule::replace(LabelMap& labels, const std::string& value) const {
  Groups groups;
  if (!match(*regex, value, groups)) return;
  const std::string target = expand(text.target_label, *regex, groups);
  if (target.empty() || !model::is_valid_utf8(target)) return;
  set(labels, target, expand(text.replacement, *regex, groups));
}

void Relabeller::Rule::change_names(LabelMap& labels) const {
  Groups groups;
  const LabelMap before = labels;
  for (const auto& [name, value] : before) {
    const bool matched = match(*regex, name, groups);
    if (text.action == Action::LabelMap) {
      if (!matched) continue;
      const std::string target = expand(text.replacement, *regex, groups);
      if (!target.empty()) set(labels, target, value);
    } else if (matched == (text.action == Action::LabelDrop)) {
      labels.erase(name);
    }
  }
}

}  // namespace aerie::ingest
