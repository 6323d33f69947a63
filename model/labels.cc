#include "model/labels.h"

#include <fmt/core.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>

namespace aerie::model {
namespace {

void append_varint(std::string& out, size_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

size_t read_varint(std::string_view& rest) {
  size_t value = 0;
  int shift = 0;
  while (!rest.empty()) {
    const auto byte = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    value |= static_cast<size_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
    shift += 7;
  }
  return value;
}

std::string_view read_string(std::string_view& rest) {
  const size_t length = std::min(read_varint(rest), rest.size());
  const std::string_view text = rest.substr(0, length);
  rest.remove_prefix(length);
  return text;
}

/// `pairs` sorted by name, without repeats and empty values.
std::string encode(const std::vector<LabelView>& pairs) {
  size_t bytes = 0;
  for (const LabelView& pair : pairs) bytes += pair.name.size() + pair.value.size() + 4;
  std::string out;
  out.reserve(bytes);
  for (const LabelView& pair : pairs) {
    append_varint(out, pair.name.size());
    out += pair.name;
    append_varint(out, pair.value.size());
    out += pair.value;
  }
  return out;
}

bool is_word(std::string_view name, bool colon) {
  if (name.empty()) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9';
    if (!letter && !(digit && i > 0) && !(colon && c == ':')) return false;
  }
  return true;
}

/// Length of the UTF-8 sequence at the start of `text`, 0 if it is not valid (RFC 3629: no overlong
/// forms, no surrogates).
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](size_t i) { return i < text.size() && (byte(i) & 0xc0) == 0x80; };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (!continues(1) || !continues(2)) return 0;
    if (first == 0xe0 && byte(1) < 0xa0) return 0;
    if (first == 0xed && byte(1) >= 0xa0) return 0;
    return 3;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if (first == 0xf0 && byte(1) < 0x90) return 0;
    if (first == 0xf4 && byte(1) >= 0x90) return 0;
    return 4;
  }
  return 0;
}

}  // namespace

void Labels::Iterator::read() {
  if (rest_.empty()) {
    current_ = {};
    return;
  }
  current_.name = read_string(rest_);
  current_.value = read_string(rest_);
}

Labels::Labels(std::initializer_list<std::pair<std::string_view, std::string_view>> pairs) {
  std::vector<LabelView> views;
  views.reserve(pairs.size());
  for (const auto& [name, value] : pairs) views.push_back({name, value});
  *this = from_pairs(std::move(views));
}

Labels Labels::from_pairs(std::vector<LabelView> pairs) {
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const LabelView& a, const LabelView& b) { return a.name < b.name; });
  size_t kept = 0;
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (i + 1 < pairs.size() && pairs[i + 1].name == pairs[i].name) continue;
    if (pairs[i].value.empty()) continue;
    pairs[kept++] = pairs[i];
  }
  pairs.resize(kept);
  return from_encoded(encode(pairs));
}

Labels Labels::from_encoded(std::string_view encoded) {
  Labels labels;
  if (encoded.empty()) return labels;
  const auto bytes = std::make_shared_for_overwrite<char[]>(encoded.size());
  std::copy(encoded.begin(), encoded.end(), bytes.get());
  labels.bytes_ = bytes;
  labels.size_bytes_ = encoded.size();
  return labels;
}

size_t Labels::size() const { return static_cast<size_t>(std::distance(begin(), end())); }

std::string_view Labels::get(std::string_view name) const {
  for (const LabelView& pair : *this) {
    if (pair.name == name) return pair.value;
    if (pair.name > name) break;
  }
  return {};
}

uint64_t Labels::hash() const { return XXH3_64bits(bytes_.get(), size_bytes_); }

std::strong_ordering Labels::operator<=>(const Labels& other) const {
  if (bytes_ == other.bytes_) return std::strong_ordering::equal;
  // Names and values alternate, so the first string that differs decides; what is equal before it
  // is skipped as bytes.
  const std::string_view x = encoded();
  const std::string_view y = other.encoded();
  const size_t differs = first_difference(x, y);
  if (differs == x.size() || differs == y.size()) return x.size() <=> y.size();
  std::string_view rest = x;
  size_t start = 0;
  do {
    start = x.size() - rest.size();
    read_string(rest);
  } while (x.size() - rest.size() <= differs);
  std::string_view rest_x = x.substr(start);
  std::string_view rest_y = y.substr(start);
  const std::string_view string_x = read_string(rest_x);
  const std::string_view string_y = read_string(rest_y);
  return string_x <=> string_y;
}

size_t first_difference(std::string_view a, std::string_view b) {
  const size_t size = std::min(a.size(), b.size());
  size_t i = 0;
  for (; i + sizeof(uint64_t) <= size; i += sizeof(uint64_t))
    if (std::memcmp(a.data() + i, b.data() + i, sizeof(uint64_t)) != 0) break;
  while (i < size && a[i] == b[i]) ++i;
  return i;
}

std::string Labels::to_string() const {
  const std::string_view metric = metric_name();
  const bool bare_name = is_legacy_metric_name(metric);
  std::string out(bare_name ? metric : std::string_view{});
  std::string inside;
  if (!metric.empty() && !bare_name) inside = go_quote(metric);
  for (const LabelView& pair : *this) {
    if (pair.name == kMetricName) continue;
    if (!inside.empty()) inside += ", ";
    inside += is_legacy_label_name(pair.name) ? std::string(pair.name) : go_quote(pair.name);
    inside += '=';
    inside += go_quote(pair.value);
  }
  if (!inside.empty() || out.empty()) out += '{' + inside + '}';
  return out;
}

void LabelsBuilder::reset(const Labels& base) {
  pairs_.clear();
  for (const LabelView& pair : base) pairs_.push_back(pair);
}

LabelsBuilder& LabelsBuilder::set(std::string_view name, std::string_view value) {
  const auto place = std::lower_bound(
      pairs_.begin(), pairs_.end(), name,
      [](const LabelView& pair, std::string_view wanted) { return pair.name < wanted; });
  const bool found = place != pairs_.end() && place->name == name;
  if (value.empty()) {
    if (found) pairs_.erase(place);
  } else if (found) {
    place->value = value;
  } else {
    pairs_.insert(place, {name, value});
  }
  return *this;
}

LabelsBuilder& LabelsBuilder::keep(std::span<const std::string> names) {
  std::erase_if(pairs_, [&](const LabelView& pair) {
    return std::find(names.begin(), names.end(), pair.name) == names.end();
  });
  return *this;
}

LabelsBuilder& LabelsBuilder::drop(std::span<const std::string> names) {
  std::erase_if(pairs_, [&](const LabelView& pair) {
    return std::find(names.begin(), names.end(), pair.name) != names.end();
  });
  return *this;
}

std::string_view LabelsBuilder::get(std::string_view name) const {
  for (const LabelView& pair : pairs_) {
    if (pair.name == name) return pair.value;
  }
  return {};
}

Labels LabelsBuilder::build() const { return Labels::from_encoded(encode(pairs_)); }

bool is_legacy_metric_name(std::string_view name) { return is_word(name, /*colon=*/true); }
bool is_legacy_label_name(std::string_view name) { return is_word(name, /*colon=*/false); }

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string go_quote(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    const auto c = static_cast<unsigned char>(text.front());
    if (length == 0) {
      out += fmt::format("\\x{:02x}", c);
      text.remove_prefix(1);
      continue;
    }
    if (length > 1) {
      out += text.substr(0, length);
      text.remove_prefix(length);
      continue;
    }
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\a': out += "\\a"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\v': out += "\\v"; break;
      default:
        if (c < 0x20 || c == 0x7f) {
          out += fmt::format("\\x{:02x}", c);
        } else {
          out += static_cast<char>(c);
        }
    }
    text.remove_prefix(1);
  }
  out += '"';
  return out;
}

}  // namespace aerie::model
