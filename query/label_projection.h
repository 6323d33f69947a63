#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/labels.h"
#include "query/stream.h"

namespace aerie::query {

/// `__name__`, `__type__`, `__unit__`: what operations that change a metric's meaning drop.
bool is_metadata_label(std::string_view name);
model::Labels without_metadata(const model::Labels& labels);

/// The labels as the query sees them: without the metadata labels if the name is dropped, unless
/// removal is delayed.
model::Labels visible_labels(const SeriesInfo& info, bool delayed_name_removal);

/// `{__name__="x", a="b"}`, as error texts show a label set.
std::string in_braces(const model::Labels& labels);

/// Turns label sets into dense integers by some of their labels, so that grouping and joining
/// compare integers, never strings, and hash once per series, never per step. One query, one
/// thread.
class LabelProjection {
 public:
  enum class Keep : uint8_t { Only, AllBut, AllButNamed };
  /// `AllBut` also leaves out `__name__`, as `without` and `ignoring` do; `AllButNamed` only what
  /// is named.
  LabelProjection(Keep keep, std::span<const std::string> names, bool delayed_name_removal);

  static constexpr uint32_t kUnknown = UINT32_MAX;
  /// The id of the projected labels, a new one if they were never seen. Ids are dense, in order of
  /// first appearance.
  uint32_t id_of(const SeriesInfo& info);
  /// The same without adding; kUnknown if never seen.
  uint32_t find(const SeriesInfo& info);
  size_t size() const { return labels_.size(); }
  const model::Labels& labels(uint32_t id) const { return labels_[id]; }
  /// Of all ids, for who needs nothing else any more.
  std::vector<model::Labels> take_labels() { return std::move(labels_); }

 private:
  void project(const SeriesInfo& info);
  bool looks_like_last(const SeriesInfo& info) const;

  const Keep keep_;
  const std::vector<std::string> names_;  // sorted
  const bool delayed_name_removal_;
  std::string scratch_;    // encoded projected labels
  size_t head_bytes_ = 0;  // of the encoded labels: whoever begins so is projected alike; 0: nobody
  std::string last_head_;  // of the last series that got an id
  bool last_drop_name_ = false;
  uint32_t last_id_ = 0;
  std::unordered_map<std::string, uint32_t> ids_;
  std::vector<model::Labels> labels_;
};

}  // namespace aerie::query
