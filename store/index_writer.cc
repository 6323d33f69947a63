#include "store/index_writer.h"

#include <algorithm>
#include <numeric>

#include "store/byte_io.h"

namespace aerie::store {
namespace {

constexpr uint8_t kVersion = 0;

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

void put_run(std::string& out, uint32_t& next, uint32_t first, uint32_t end) {
  const uint64_t gap = first - next;
  if (end - first == 1) {
    put_varint(out, gap << 1);
  } else {
    put_varint(out, gap << 1 | 1);
    put_varint(out, end - first - 2);
  }
  next = end;
}

std::string encode_postings(std::span<const uint32_t> series) {
  std::string out;
  uint32_t next = 0;
  for (size_t i = 0; i < series.size();) {
    size_t end = i + 1;
    while (end < series.size() && series[end] == series[end - 1] + 1) ++end;
    put_run(out, next, series[i], series[end - 1] + 1);
    i = end;
  }
  return out;
}

}  // namespace

/// A label name and its values in order of appearance.
struct IndexWriter::Name {
  std::string text;
  std::unordered_map<std::string, uint32_t, StringHash, std::equal_to<>> numbers;
  std::vector<const std::string*> values;  // keys of `numbers`; sorted by sort_names()
  std::vector<uint32_t> ranks;             // from order of appearance to sorted order
};

/// A set of label names that series have.
struct IndexWriter::Shape {
  std::vector<uint32_t> names;
};

IndexWriter::IndexWriter() = default;
IndexWriter::~IndexWriter() = default;

uint32_t IndexWriter::shape_of(const model::Labels& labels) {
  // Neighbours mostly have the same names.
  if (!shapes_of_series_.empty()) {
    const Shape& last = shapes_[shapes_of_series_.back()];
    size_t i = 0;
    bool same = true;
    for (const model::LabelView label : labels) {
      same = i < last.names.size() && names_[last.names[i]].text == label.name;
      if (!same) break;
      ++i;
    }
    if (same && i == last.names.size()) return shapes_of_series_.back();
  }
  scratch_.clear();
  for (const model::LabelView label : labels) {
    const auto [at, fresh] =
        name_numbers_.try_emplace(std::string(label.name), static_cast<uint32_t>(names_.size()));
    if (fresh) names_.emplace_back().text = label.name;
    scratch_.push_back(at->second);
  }
  const auto [at, fresh] =
      shape_numbers_.try_emplace(scratch_, static_cast<uint32_t>(shapes_.size()));
  if (fresh) shapes_.push_back({scratch_});
  return at->second;
}

void IndexWriter::add(const model::Labels& labels) {
  const uint32_t shape = shape_of(labels);
  size_t i = 0;
  for (const model::LabelView label : labels) {
    Name& name = names_[shapes_[shape].names[i++]];
    auto at = name.numbers.find(label.value);
    if (at == name.numbers.end()) {
      at = name.numbers.emplace(std::string(label.value), static_cast<uint32_t>(name.values.size()))
               .first;
      name.values.push_back(&at->first);
    }
    values_.push_back(at->second);
  }
  shapes_of_series_.push_back(shape);
}

void IndexWriter::sort_names() {
  std::vector<uint32_t> order(names_.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return names_[a].text < names_[b].text; });
  std::vector<uint32_t> rank(names_.size());
  std::vector<Name> sorted(names_.size());
  for (uint32_t i = 0; i < order.size(); ++i) {
    rank[order[i]] = i;
    sorted[i] = std::move(names_[order[i]]);
  }
  names_ = std::move(sorted);
  for (Shape& shape : shapes_)
    for (uint32_t& name : shape.names) name = rank[name];
  for (Name& name : names_) {
    std::vector<uint32_t> by_value(name.values.size());
    std::iota(by_value.begin(), by_value.end(), 0);
    std::sort(by_value.begin(), by_value.end(),
              [&](uint32_t a, uint32_t b) { return *name.values[a] < *name.values[b]; });
    name.ranks.resize(by_value.size());
    std::vector<const std::string*> values(by_value.size());
    for (uint32_t i = 0; i < by_value.size(); ++i) {
      name.ranks[by_value[i]] = i;
      values[i] = name.values[by_value[i]];
    }
    name.values = std::move(values);
  }
  size_t at = 0;
  for (const uint32_t shape : shapes_of_series_)
    for (const uint32_t name : shapes_[shape].names) {
      values_[at] = names_[name].ranks[values_[at]];
      ++at;
    }
}

Status IndexWriter::put_names(std::span<const uint32_t> group_sizes, const Put& put) {
  std::string out;
  put_u8(out, kVersion);
  put_varint(out, names_.size());
  for (const Name& name : names_) {
    put_bytes(out, name.text);
    put_varint(out, name.values.size());
  }
  put_varint(out, group_sizes.size());
  for (const uint32_t size : group_sizes) put_varint(out, size);
  return put(IndexRecord::Names, 0, 0, std::move(out));
}

Status IndexWriter::put_values(const Put& put) {
  for (uint32_t name = 0; name < names_.size(); ++name) {
    const auto& values = names_[name].values;
    for (size_t first = 0; first < values.size(); first += kValuesPerBlock) {
      const size_t end = std::min<size_t>(values.size(), first + kValuesPerBlock);
      std::string out;
      put_varint(out, end - first);
      std::string_view before;
      for (size_t i = first; i < end; ++i) {
        const std::string_view value = *values[i];
        const auto shared = static_cast<size_t>(
            std::mismatch(value.begin(), value.end(), before.begin(), before.end()).first -
            value.begin());
        put_varint(out, shared);
        put_bytes(out, value.substr(shared));
        before = value;
      }
      const auto block = static_cast<uint32_t>(first / kValuesPerBlock);
      if (Status status = put(IndexRecord::Values, name, block, std::move(out)); !status)
        return status;
    }
  }
  return {};
}

Status IndexWriter::put_postings(const Put& put) {
  // Counting sort of (name, value, series): `ends` are first counts, then write positions.
  std::vector<size_t> first_of_name(names_.size() + 1, 0);
  for (size_t i = 0; i < names_.size(); ++i)
    first_of_name[i + 1] = first_of_name[i] + names_[i].values.size();
  std::vector<uint32_t> ends(first_of_name.back() + 1, 0);
  size_t at = 0;
  for (const uint32_t shape : shapes_of_series_)
    for (const uint32_t name : shapes_[shape].names)
      ++ends[first_of_name[name] + values_[at++] + 1];
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  std::vector<uint32_t> series(values_.size());
  at = 0;
  for (uint32_t id = 0; id < shapes_of_series_.size(); ++id)
    for (const uint32_t name : shapes_[shapes_of_series_[id]].names)
      series[ends[first_of_name[name] + values_[at++]]++] = id;

  for (uint32_t name = 0; name < names_.size(); ++name) {
    const size_t count = names_[name].values.size();
    for (size_t first = 0; first < count; first += kValuesPerBlock) {
      const size_t end = std::min<size_t>(count, first + kValuesPerBlock);
      std::string out;
      std::string lists;
      put_varint(out, end - first);
      for (size_t value = first; value < end; ++value) {
        const size_t slot = first_of_name[name] + value;
        const uint32_t begin = slot == 0 ? 0 : ends[slot - 1];
        const std::string list =
            encode_postings(std::span(series).subspan(begin, ends[slot] - begin));
        put_varint(out, list.size());
        lists += list;
      }
      const auto block = static_cast<uint32_t>(first / kValuesPerBlock);
      if (Status status = put(IndexRecord::Postings, name, block, out + lists); !status)
        return status;
    }
  }
  return {};
}

Status IndexWriter::put_series(const Put& put) {
  size_t at = 0;  // in values_
  for (size_t first = 0; first < shapes_of_series_.size(); first += kSeriesPerBlock) {
    const size_t end = std::min<size_t>(shapes_of_series_.size(), first + kSeriesPerBlock);
    std::vector<uint32_t> used(shapes_of_series_.begin() + static_cast<std::ptrdiff_t>(first),
                               shapes_of_series_.begin() + static_cast<std::ptrdiff_t>(end));
    std::sort(used.begin(), used.end());
    used.erase(std::unique(used.begin(), used.end()), used.end());
    std::string out;
    put_varint(out, end - first);
    put_varint(out, used.size());
    for (const uint32_t shape : used) {
      put_varint(out, shapes_[shape].names.size());
      uint32_t before = 0;
      for (const uint32_t name : shapes_[shape].names) {
        put_varint(out, name - before);
        before = name;
      }
    }
    for (size_t i = first; i < end;) {
      const uint32_t shape = shapes_of_series_[i];
      size_t run_end = i + 1;
      while (run_end < end && shapes_of_series_[run_end] == shape) ++run_end;
      put_varint(out, static_cast<uint64_t>(std::lower_bound(used.begin(), used.end(), shape) -
                                            used.begin()));
      put_varint(out, run_end - i);
      const size_t width = shapes_[shape].names.size();
      for (size_t column = 0; column < width; ++column) {
        int64_t before = 0;
        for (size_t row = 0; row < run_end - i; ++row) {
          const int64_t value = values_[at + row * width + column];
          put_zigzag(out, value - before);
          before = value;
        }
      }
      at += (run_end - i) * width;
      i = run_end;
    }
    const auto block = static_cast<uint32_t>(first / kSeriesPerBlock);
    if (Status status = put(IndexRecord::Series, 0, block, std::move(out)); !status) return status;
  }
  return {};
}

Status IndexWriter::finish(std::span<const uint32_t> group_sizes, const Put& put) {
  sort_names();
  if (Status status = put_names(group_sizes, put); !status) return status;
  if (Status status = put_values(put); !status) return status;
  if (Status status = put_postings(put); !status) return status;
  return put_series(put);
}

}  // namespace aerie::store
