#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace aerie::model {

inline constexpr std::string_view kMetricName = "__name__";

struct LabelView {
  std::string_view name;
  std::string_view value;
  bool operator==(const LabelView&) const = default;
};

/// The identity of a series: label pairs, sorted by name bytewise, no empty values, no repeated
/// names. Immutable value: [len][name][len][value]… where len is a LEB128 varint, in one allocation
/// that all copies share, so that a copy costs as much as a shared_ptr. Equality compares bytes.
class Labels {
 public:
  class Iterator {
   public:
    using value_type = LabelView;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    using pointer = const LabelView*;
    using reference = const LabelView&;
    Iterator() = default;
    explicit Iterator(std::string_view rest) : rest_(rest) { read(); }
    const LabelView& operator*() const { return current_; }
    const LabelView* operator->() const { return &current_; }
    Iterator& operator++() {
      read();
      return *this;
    }
    void operator++(int) { read(); }
    bool operator==(const Iterator& other) const {
      return current_.name.data() == other.current_.name.data();
    }

   private:
    void read();
    std::string_view rest_;
    LabelView current_;  // name.data() is null at the end
  };

  Labels() = default;
  /// Sorts; drops pairs with an empty value; of a repeated name the last wins.
  Labels(std::initializer_list<std::pair<std::string_view, std::string_view>> pairs);
  static Labels from_pairs(std::vector<LabelView> pairs);
  /// Copies bytes made by `encoded()`. The caller vouches for them (they come from our own files,
  /// behind a checksum).
  static Labels from_encoded(std::string_view encoded);

  Iterator begin() const { return Iterator(encoded()); }
  Iterator end() const { return {}; }
  bool empty() const { return size_bytes_ == 0; }
  size_t size() const;  ///< number of pairs, O(pairs)

  /// The value of a label, empty if absent (PromQL does not tell these apart). O(pairs).
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const { return !get(name).empty(); }
  std::string_view metric_name() const { return get(kMetricName); }

  /// The bytes above: what is hashed, interned and stored. Valid as long as any copy of the labels.
  std::string_view encoded() const { return {bytes_.get(), size_bytes_}; }
  /// XXH3 of the encoded bytes; for memory only, not seeded, never stored.
  uint64_t hash() const;

  bool operator==(const Labels& other) const {
    return bytes_ == other.bytes_ || encoded() == other.encoded();
  }
  /// Prometheus's labels.Compare: pair by pair, name then value, the shorter set first.
  std::strong_ordering operator<=>(const Labels& other) const;

  /// `metric{a="b"}` with Go quoting; `{}` for the empty set; names that are not legacy-valid are
  /// quoted inside the braces.
  std::string to_string() const;

 private:
  std::shared_ptr<const char[]> bytes_;
  size_t size_bytes_ = 0;
};

struct LabelsHash {
  size_t operator()(const Labels& labels) const { return labels.hash(); }
};

/// How many bytes at the start are equal. Eight at a time: label sets that are compared mostly have
/// long common prefixes.
size_t first_difference(std::string_view a, std::string_view b);

/// Makes changed copies of label sets. One owner, reusable: reset() keeps its memory.
class LabelsBuilder {
 public:
  LabelsBuilder() = default;
  explicit LabelsBuilder(const Labels& base) { reset(base); }
  void reset(const Labels& base);
  /// An empty value deletes. Views must outlive build().
  LabelsBuilder& set(std::string_view name, std::string_view value);
  LabelsBuilder& remove(std::string_view name) { return set(name, {}); }
  /// Keeps only (or drops) the names given; `__name__` is treated like any other.
  LabelsBuilder& keep(std::span<const std::string> names);
  LabelsBuilder& drop(std::span<const std::string> names);
  std::string_view get(std::string_view name) const;
  Labels build() const;

 private:
  std::vector<LabelView> pairs_;  // sorted by name
};

/// `[a-zA-Z_:][a-zA-Z0-9_:]*` and `[a-zA-Z_][a-zA-Z0-9_]*`: names that need no quotes.
bool is_legacy_metric_name(std::string_view name);
bool is_legacy_label_name(std::string_view name);
bool is_valid_utf8(std::string_view text);
/// Go's strconv.Quote: `"a\nb"`.
std::string go_quote(std::string_view text);

}  // namespace aerie::model
