#include "query/label_projection.h"

#include <algorithm>
#include <cstring>

namespace aerie::query {
namespace {

std::vector<std::string> sorted(std::span<const std::string> names) {
  std::vector<std::string> out(names.begin(), names.end());
  std::sort(out.begin(), out.end());
  return out;
}

/// Appends in the encoding of model::Labels: LEB128 length, then the bytes.
void append_encoded(std::string& out, std::string_view text) {
  size_t length = text.size();
  while (length >= 0x80) {
    out.push_back(static_cast<char>(length | 0x80));
    length >>= 7;
  }
  out.push_back(static_cast<char>(length));
  out.append(text);
}

}  // namespace

bool is_metadata_label(std::string_view name) {
  return name.starts_with("__") &&
         (name == model::kMetricName || name == "__type__" || name == "__unit__");
}

model::Labels without_metadata(const model::Labels& labels) {
  std::string encoded;
  encoded.reserve(labels.encoded().size());
  for (const model::LabelView& label : labels) {
    if (is_metadata_label(label.name)) continue;
    append_encoded(encoded, label.name);
    append_encoded(encoded, label.value);
  }
  return model::Labels::from_encoded(encoded);
}

model::Labels visible_labels(const SeriesInfo& info, bool delayed_name_removal) {
  return info.drop_name && !delayed_name_removal ? without_metadata(info.labels) : info.labels;
}

std::string in_braces(const model::Labels& labels) {
  std::string out = "{";
  for (const model::LabelView& label : labels) {
    if (out.size() > 1) out += ", ";
    out += model::is_legacy_label_name(label.name) ? std::string(label.name)
                                                   : model::go_quote(label.name);
    out += "=" + model::go_quote(label.value);
  }
  return out + "}";
}

LabelProjection::LabelProjection(Keep keep, std::span<const std::string> names,
                                 bool delayed_name_removal)
    : keep_(keep), names_(sorted(names)), delayed_name_removal_(delayed_name_removal) {}

/// Labels and names are both sorted: one pass over the two, and what is kept is copied as it is.
void LabelProjection::project(const SeriesInfo& info) {
  scratch_.clear();
  head_bytes_ = 0;
  if (keep_ == Keep::Only && names_.empty()) return;
  const bool hide_metadata = info.drop_name && !delayed_name_removal_;
  const char* const begin = info.labels.encoded().data();
  const char* pair = begin;
  auto name = names_.begin();
  for (const model::LabelView& label : info.labels) {
    int order = 1;  // of the name and the label's
    while (name != names_.end() && (order = name->compare(label.name)) < 0) ++name;
    if (keep_ == Keep::Only && name == names_.end()) {
      head_bytes_ = static_cast<size_t>(label.name.data() + label.name.size() - begin);
      return;
    }
    const bool named = name != names_.end() && order == 0;
    const bool kept = keep_ == Keep::Only ? named
                                          : !named && (keep_ == Keep::AllButNamed ||
                                                       label.name != model::kMetricName);
    const char* const next = label.value.data() + label.value.size();
    if (kept && !(hide_metadata && is_metadata_label(label.name))) scratch_.append(pair, next);
    pair = next;
  }
}

/// Series come sorted: the labels that count, and all before them, are often those of the last one.
bool LabelProjection::looks_like_last(const SeriesInfo& info) const {
  const auto& encoded = info.labels.encoded();
  return !last_head_.empty() && info.drop_name == last_drop_name_ &&
         encoded.size() >= last_head_.size() &&
         std::memcmp(encoded.data(), last_head_.data(), last_head_.size()) == 0;
}

uint32_t LabelProjection::id_of(const SeriesInfo& info) {
  if (looks_like_last(info)) return last_id_;
  project(info);
  const auto [found, inserted] = ids_.try_emplace(scratch_, static_cast<uint32_t>(labels_.size()));
  if (inserted) labels_.push_back(model::Labels::from_encoded(scratch_));
  last_id_ = found->second;
  last_drop_name_ = info.drop_name;
  last_head_.assign(info.labels.encoded().data(), head_bytes_);
  return found->second;
}

uint32_t LabelProjection::find(const SeriesInfo& info) {
  project(info);
  const auto found = ids_.find(scratch_);
  return found == ids_.end() ? kUnknown : found->second;
}

}  // namespace aerie::query
