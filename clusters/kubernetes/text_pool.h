#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace aerie::clusters::kubernetes {

/// Texts that many records share, each kept once for as long as somebody holds it. 0 is the empty
/// text, which nobody has to hold. Not thread-safe.
class TextPool {
 public:
  using Id = uint32_t;

  /// The id of a text, held once more by the caller.
  Id hold(std::string_view text);
  /// The id of a text that somebody holds already; empty: nobody does.
  std::optional<Id> find(std::string_view text) const;
  /// Gives back what hold() gave.
  void release(Id id);
  /// Valid until the id is released for the last time.
  std::string_view text(Id id) const {
    return id == 0 ? std::string_view() : *entries_[id - 1].text;
  }
  size_t size() const { return by_text_.size(); }
  /// Memory of texts and index.
  size_t bytes() const;

 private:
  struct Entry {
    std::unique_ptr<const std::string> text;  // at a fixed place: by_text_ refers to it
    uint32_t holders = 0;
  };
  std::vector<Entry> entries_;
  std::vector<Id> free_;
  boost::unordered_flat_map<std::string_view, Id> by_text_;
};

}  // namespace aerie::clusters::kubernetes
