#include "store/merge_stream.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace aerie::store {
namespace {

constexpr uint32_t kBlockSeries = 4 * kSeriesPerBlock;

}  // namespace

MergeStream::MergeStream(std::vector<std::shared_ptr<const Partition>> parts, ErasuresPtr erasures)
    : erasures_(std::move(erasures)) {
  // Later commits win, so they are read last.
  std::sort(parts.begin(), parts.end(),
            [](const auto& a, const auto& b) { return a->info().sequence < b->info().sequence; });
  for (auto& part : parts) {
    Cursor cursor;
    cursor.place = static_cast<uint32_t>(cursors_.size());
    cursor.partition = std::move(part);
    cursors_.push_back(std::move(cursor));
  }
}

/// Reads the labels of the next block of series; none are left behind the last.
Status MergeStream::fill(Cursor& cursor) {
  auto index = cursor.partition->index();
  if (!index) return std::move(index).error();
  const uint32_t count = (*index)->series_count();
  cursor.first += static_cast<uint32_t>(cursor.labels.size());
  cursor.labels.clear();
  cursor.at = 0;
  SeriesSet block(count);
  block.add_run(std::min(cursor.first, count), std::min(cursor.first + kBlockSeries, count));
  return (*index)->labels(block, [&](uint32_t, std::string_view encoded) {
    cursor.labels.push_back(model::Labels::from_encoded(std::string(encoded)));
  });
}

/// False at the partition's end.
Result<bool> MergeStream::advance(Cursor& cursor) {
  if (++cursor.at >= cursor.labels.size())
    if (Status filled = fill(cursor); !filled) return std::move(filled).error();
  return !cursor.labels.empty();
}

/// Series come in ascending order, as the exemplars lie.
Status MergeStream::add_exemplars(Cursor& cursor, uint32_t series, SealSeries& out) {
  while (true) {
    for (; cursor.exemplar_at < cursor.exemplars.size(); ++cursor.exemplar_at) {
      BlockExemplars& one = cursor.exemplars[cursor.exemplar_at];
      if (one.series > series) return {};
      if (one.series == series)
        std::move(one.exemplars.begin(), one.exemplars.end(), std::back_inserter(out.exemplars));
    }
    if (cursor.exemplar_block == UINT32_MAX) return {};
    auto block = cursor.partition->exemplars(cursor.exemplar_block);
    if (!block) return std::move(block).error();
    cursor.exemplar_block = block->empty() ? UINT32_MAX : cursor.exemplar_block + 1;
    cursor.exemplars = std::move(*block);
    cursor.exemplar_at = 0;
  }
}

Status MergeStream::add(Cursor& cursor, SealSeries& out) {
  part_.clear();
  const Partition& partition = *cursor.partition;
  const auto series = cursor.first + static_cast<uint32_t>(cursor.at);
  if (Status read = reader_.read(partition, cursor.place, series, {}, part_); !read) return read;
  const PartitionInfo& info = partition.info();
  if (erasures_) erase_samples(part_, erasures_->ranges(out.labels, info.erasures, info.samples));
  model::merge_samples(out.samples, std::move(part_));
  std::vector<model::Exemplar> earlier = std::exchange(out.exemplars, {});
  if (Status added = add_exemplars(cursor, series, out); !added) return added;
  if (erasures_ && !out.exemplars.empty())
    erase_exemplars(out.exemplars, erasures_->ranges(out.labels, info.erasures, {}));
  out.exemplars.insert(out.exemplars.begin(), std::make_move_iterator(earlier.begin()),
                       std::make_move_iterator(earlier.end()));
  return {};
}

Result<bool> MergeStream::next(SealSeries& out) {
  if (!std::exchange(started_, true)) {
    for (Cursor& cursor : cursors_)
      if (Status filled = fill(cursor); !filled) return std::move(filled).error();
    std::erase_if(cursors_, [](const Cursor& cursor) { return cursor.labels.empty(); });
  }
  if (cursors_.empty()) return false;
  const SealOrder less;
  const Cursor* least = &cursors_[0];
  for (const Cursor& cursor : cursors_)
    if (less(cursor.labels[cursor.at], least->labels[least->at])) least = &cursor;
  out.labels = least->labels[least->at];
  out.samples.clear();
  out.exemplars.clear();
  bool ended = false;
  for (Cursor& cursor : cursors_) {
    if (cursor.labels[cursor.at] != out.labels) continue;
    if (Status added = add(cursor, out); !added) return std::move(added).error();
    Result<bool> more = advance(cursor);
    if (!more) return more;
    ended = ended || !*more;
  }
  tidy_exemplars(out.exemplars);
  if (ended) std::erase_if(cursors_, [](const Cursor& cursor) { return cursor.labels.empty(); });
  return true;
}

}  // namespace aerie::store
