#include "base/yaml_reader.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <deque>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

namespace aerie {
namespace {

constexpr size_t kMaxDepth = 64;
constexpr uint64_t kMaxNodes = 500'000;

struct Place {
  int line = 1;
  int column = 1;
};

Place place_of(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

std::string_view kind_name(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::Null: return "nothing";
    case YamlNode::Kind::Scalar: return "a single value";
    case YamlNode::Kind::Sequence: return "a list";
    case YamlNode::Kind::Map: return "a map";
  }
  return "nothing";
}

bool is_null_text(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

/// Number of single-character edits between two words, for "did you mean".
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

/// Thrown through yaml-cpp's parser and caught in YamlNode::parse; never leaves this file.
struct Refused {
  Place place;
  std::string what;
};

}  // namespace

struct YamlNode::Data {
  Kind kind = Kind::Null;
  Place place;
  bool quoted = false;  // quoted or tagged as a string: never a number, a boolean or null
  std::string text;     // of a scalar
  std::vector<const Data*> items;  // of a sequence; of a map key, value, key, value …
  uint64_t expanded = 1;           // nodes below and including this one, aliases counted in full
};

struct YamlNode::Document {
  std::string file_name;
  std::deque<Data> nodes;
  const Data* root = nullptr;
};

/// Turns yaml-cpp's events into a document. One use, one thread.
struct YamlNode::Builder final : YAML::EventHandler {
  explicit Builder(Document& target) : document(target) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (started) throw Refused{place_of(mark), "a second YAML document begins here, expected one"};
    started = true;
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(make(Kind::Null, mark, anchor));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors.find(anchor);
    // A node that is still open cannot be complete: an alias inside itself would make a cycle.
    if (found == anchors.end() || std::count(open.begin(), open.end(), found->second) > 0) {
      throw Refused{place_of(mark), "this alias refers to a value that is not complete"};
    }
    add(found->second);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Data* node = make(Kind::Scalar, mark, anchor);
    node->quoted = tag != "?" && !tag.empty();
    node->text = value;
    if (!node->quoted && is_null_text(value)) {
      node->kind = Kind::Null;
      node->text.clear();
    }
    add(node);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    begin(make(Kind::Sequence, mark, anchor));
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    begin(make(Kind::Map, mark, anchor));
  }
  void OnMapEnd() override {
    finish_map(*open.back());
    end();
  }

  Data* make(Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    Data& node = document.nodes.emplace_back();
    node.kind = kind;
    node.place = place_of(mark);
    if (anchor != 0) anchors[anchor] = &node;
    return &node;
  }
  void begin(Data* node) {
    if (open.size() >= kMaxDepth) throw Refused{node->place, "nested too deeply"};
    open.push_back(node);
  }
  void end() {
    Data* node = open.back();
    open.pop_back();
    add(node);
  }
  void add(const Data* node) {
    if (open.empty()) {
      document.root = node;
      return;
    }
    Data& parent = *open.back();
    parent.items.push_back(node);
    parent.expanded += node->expanded;
    if (parent.expanded > kMaxNodes) throw Refused{node->place, "too many values"};
  }

  /// Checks the keys and replaces merge keys by what they merge; keys of the map itself win.
  void finish_map(Data& map) {
    std::vector<const Data*> merged;
    std::vector<const Data*> kept;
    std::unordered_set<std::string_view> seen;
    for (size_t i = 0; i + 1 < map.items.size(); i += 2) {
      const Data* key = map.items[i];
      if (key->kind != Kind::Scalar) throw Refused{key->place, "expected a plain text as key"};
      if (!key->quoted && key->text == "<<") {
        collect_merged(*map.items[i + 1], merged);
        continue;
      }
      if (!seen.insert(key->text).second) {
        throw Refused{key->place, fmt::format("the key \"{}\" stands here twice", key->text)};
      }
      kept.push_back(key);
      kept.push_back(map.items[i + 1]);
    }
    for (size_t i = 0; i + 1 < merged.size(); i += 2) {
      if (!seen.insert(merged[i]->text).second) continue;
      kept.push_back(merged[i]);
      kept.push_back(merged[i + 1]);
    }
    map.items = std::move(kept);
  }
  static void collect_merged(const Data& value, std::vector<const Data*>& merged) {
    if (value.kind == Kind::Map) {
      merged.insert(merged.end(), value.items.begin(), value.items.end());
      return;
    }
    const bool maps = value.kind == Kind::Sequence &&
                      std::all_of(value.items.begin(), value.items.end(),
                                  [](const Data* item) { return item->kind == Kind::Map; });
    if (!maps) throw Refused{value.place, "expected a map, or a list of maps, to merge"};
    for (const Data* item : value.items) collect_merged(*item, merged);
  }

  Document& document;
  bool started = false;
  std::vector<Data*> open;
  std::unordered_map<YAML::anchor_t, Data*> anchors;
};

YamlNode::YamlNode(std::shared_ptr<const Document> document, const Data* data)
    : document_(std::move(document)), data_(data) {}

Result<YamlNode> YamlNode::parse(std::string_view text, std::string_view file_name) {
  auto document = std::make_shared<Document>();
  document->file_name = file_name;
  const auto refuse = [&](Place place, std::string_view what) {
    return Error(ErrorCode::InvalidArgument,
                 fmt::format("{}:{}:{}: {}", file_name, place.line, place.column, what));
  };
  try {
    std::istringstream input{std::string(text)};
    YAML::Parser parser(input);
    Builder builder(*document);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refused& refused) {
    return refuse(refused.place, refused.what);
  } catch (const YAML::Exception& failure) {
    return refuse(place_of(failure.mark), "not valid YAML: " + failure.msg);
  } catch (const std::exception& failure) {
    return refuse({}, std::string("not valid YAML: ") + failure.what());
  }
  if (document->root == nullptr) document->root = &document->nodes.emplace_back();
  const Data* root = document->root;
  return YamlNode(std::move(document), root);
}

YamlNode::Kind YamlNode::kind() const { return data_->kind; }
int YamlNode::line() const { return data_->place.line; }
int YamlNode::column() const { return data_->place.column; }

std::string YamlNode::where() const {
  return fmt::format("{}:{}:{}", document_->file_name, line(), column());
}

Error YamlNode::error(std::string_view what) const {
  return Error(ErrorCode::InvalidArgument, fmt::format("{}: {}", where(), what));
}

Result<std::string> YamlNode::as_string() const {
  if (data_->kind == Kind::Null) return std::string();
  if (data_->kind == Kind::Scalar) return data_->text;
  return error(fmt::format("expected a text, found {}", kind_name(data_->kind)));
}

Result<int64_t> YamlNode::as_integer(int64_t min, int64_t max) const {
  if (data_->kind != Kind::Scalar || data_->quoted) {
    return error(fmt::format("expected a whole number, found {}",
                             data_->quoted ? fmt::format("the text \"{}\"", data_->text)
                                           : std::string(kind_name(data_->kind))));
  }
  int64_t value = 0;
  const char* end = data_->text.data() + data_->text.size();
  const auto parsed = std::from_chars(data_->text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end) {
    return error(fmt::format("expected a whole number, found \"{}\"", data_->text));
  }
  if (value < min || value > max) {
    return error(fmt::format("expected a number from {} to {}, found {}", min, max, value));
  }
  return value;
}

Result<double> YamlNode::as_number() const {
  double value = 0;
  if (data_->kind == Kind::Scalar && !data_->quoted) {
    const char* end = data_->text.data() + data_->text.size();
    const auto parsed = std::from_chars(data_->text.data(), end, value);
    if (parsed.ec == std::errc() && parsed.ptr == end) return value;
    return error(fmt::format("expected a number, found \"{}\"", data_->text));
  }
  return error(fmt::format("expected a number, found {}", kind_name(data_->kind)));
}

Result<bool> YamlNode::as_boolean() const {
  if (data_->kind == Kind::Scalar && !data_->quoted) {
    std::string lower = data_->text;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    if (lower == "true" || lower == "yes" || lower == "on") return true;
    if (lower == "false" || lower == "no" || lower == "off") return false;
  }
  const std::string found = data_->kind == Kind::Scalar ? fmt::format("\"{}\"", data_->text)
                                                        : std::string(kind_name(data_->kind));
  return error(fmt::format("expected true or false, found {}", found));
}

Result<std::vector<YamlNode>> YamlNode::as_sequence() const {
  std::vector<YamlNode> nodes;
  if (data_->kind == Kind::Null) return nodes;
  if (data_->kind != Kind::Sequence) {
    return error(fmt::format("expected a list, found {}", kind_name(data_->kind)));
  }
  nodes.reserve(data_->items.size());
  for (const Data* item : data_->items) nodes.push_back(YamlNode(document_, item));
  return nodes;
}

Result<std::vector<std::string>> YamlNode::as_strings() const {
  auto nodes = as_sequence();
  if (!nodes) return std::move(nodes).error();
  std::vector<std::string> texts;
  for (const YamlNode& node : *nodes) {
    auto text = node.as_string();
    if (!text) return text.error();
    texts.push_back(std::move(*text));
  }
  return texts;
}

Result<std::vector<YamlEntry>> YamlNode::as_map() const {
  std::vector<YamlEntry> entries;
  if (data_->kind == Kind::Null) return entries;
  if (data_->kind != Kind::Map) {
    return error(fmt::format("expected a map, found {}", kind_name(data_->kind)));
  }
  entries.reserve(data_->items.size() / 2);
  for (size_t i = 0; i + 1 < data_->items.size(); i += 2) {
    entries.push_back({data_->items[i]->text, YamlNode(document_, data_->items[i]),
                       YamlNode(document_, data_->items[i + 1])});
  }
  return entries;
}

Result<std::vector<std::pair<std::string, std::string>>> YamlNode::as_string_map() const {
  auto entries = as_map();
  if (!entries) return std::move(entries).error();
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const YamlEntry& entry : *entries) {
    auto text = entry.value.as_string();
    if (!text) return text.error();
    pairs.emplace_back(entry.name, std::move(*text));
  }
  return pairs;
}

Status YamlNode::expect_keys(std::span<const std::string_view> allowed) const {
  auto entries = as_map();
  if (!entries) return std::move(entries).error();
  for (const YamlEntry& entry : *entries) {
    if (std::find(allowed.begin(), allowed.end(), entry.name) != allowed.end()) continue;
    std::vector<std::string_view> sorted(allowed.begin(), allowed.end());
    std::sort(sorted.begin(), sorted.end());
    std::string_view nearest;
    size_t nearest_distance = 3;
    if (entry.name.size() <= 64) {
      for (const std::string_view known : sorted) {
        const size_t distance = edit_distance(entry.name, known);
        if (distance >= nearest_distance) continue;
        nearest = known;
        nearest_distance = distance;
      }
    }
    const std::string hint = nearest.empty() ? "" : fmt::format(" (did you mean \"{}\"?)", nearest);
    return entry.key.error(fmt::format("unknown key \"{}\"{}, expected one of: {}", entry.name,
                                       hint, fmt::join(sorted, ", ")));
  }
  return {};
}

std::optional<YamlNode> YamlNode::find(std::string_view key) const {
  if (data_->kind != Kind::Map) return std::nullopt;
  for (size_t i = 0; i + 1 < data_->items.size(); i += 2) {
    if (data_->items[i]->text == key) return YamlNode(document_, data_->items[i + 1]);
  }
  return std::nullopt;
}

Result<YamlNode> YamlNode::require(std::string_view key) const {
  if (data_->kind != Kind::Map && data_->kind != Kind::Null) {
    return error(
        fmt::format("expected a map with the key \"{}\", found {}", key, kind_name(data_->kind)));
  }
  auto found = find(key);
  if (!found) return error(fmt::format("the key \"{}\" is missing", key));
  return std::move(*found);
}

Result<std::string> YamlNode::get_string(std::string_view key, std::string_view fallback) const {
  const auto found = find(key);
  if (!found || found->is_null()) return std::string(fallback);
  return found->as_string();
}

Result<int64_t> YamlNode::get_integer(std::string_view key, int64_t fallback, int64_t min,
                                      int64_t max) const {
  const auto found = find(key);
  if (!found || found->is_null()) return fallback;
  return found->as_integer(min, max);
}

Result<double> YamlNode::get_number(std::string_view key, double fallback) const {
  const auto found = find(key);
  if (!found || found->is_null()) return fallback;
  return found->as_number();
}

Result<bool> YamlNode::get_boolean(std::string_view key, bool fallback) const {
  const auto found = find(key);
  if (!found || found->is_null()) return fallback;
  return found->as_boolean();
}

Result<std::vector<YamlNode>> YamlNode::get_sequence(std::string_view key) const {
  const auto found = find(key);
  if (!found) return std::vector<YamlNode>();
  return found->as_sequence();
}

Result<std::vector<std::string>> YamlNode::get_strings(std::string_view key) const {
  const auto found = find(key);
  if (!found) return std::vector<std::string>();
  return found->as_strings();
}

Result<std::vector<std::pair<std::string, std::string>>> YamlNode::get_string_map(
    std::string_view key) const {
  const auto found = find(key);
  if (!found) return std::vector<std::pair<std::string, std::string>>();
  return found->as_string_map();
}

}  // namespace aerie
