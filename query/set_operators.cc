#include <algorithm>

#include "query/binary_operators.h"
#include "query/label_projection.h"

namespace aerie::query {
namespace {

LabelProjection projection_of(const Binary& binary, const QueryContext& context) {
  static const VectorMatching kEverything;
  const VectorMatching& matching = binary.matching ? *binary.matching : kEverything;
  return LabelProjection(matching.on ? LabelProjection::Keep::Only : LabelProjection::Keep::AllBut,
                         matching.labels, context.features().delayed_name_removal);
}

std::vector<uint32_t> ids_of(LabelProjection& projection, const std::vector<SeriesInfo>& series) {
  std::vector<uint32_t> ids;
  ids.reserve(series.size());
  for (const SeriesInfo& info : series) ids.push_back(projection.id_of(info));
  return ids;
}

/// At which steps each join key is present.
class KeyPresence {
 public:
  KeyPresence(size_t keys, const Steps& steps) : words_(steps.words()), bits_(keys * words_, 0) {}
  void add(uint32_t key, const Row& row) {
    for (size_t w = 0; w < words_; ++w) bits_[key * words_ + w] |= row.present[w];
  }
  const uint64_t* of(uint32_t key) const { return bits_.data() + key * words_; }
  bool any(uint32_t key) const { return any_present({of(key), words_}); }

 private:
  const size_t words_;
  std::vector<uint64_t> bits_;
};

void mask(Row& row, const uint64_t* words, bool keep_where_set) {
  for (size_t w = 0; w < row.present.size(); ++w)
    row.present[w] &= keep_where_set ? words[w] : ~words[w];
}

/// `and`, `unless`: the right side is reduced to the presence of its keys, the left passes through
/// a mask.
class FilterStream final : public SeriesStream {
 public:
  FilterStream(StreamPtr left, StreamPtr right, std::vector<uint32_t> left_keys,
               std::vector<uint32_t> right_keys, size_t keys, bool keep_matching,
               const Steps& steps)
      : SeriesStream(left->take_series()),
        left_(std::move(left)),
        right_(std::move(right)),
        left_keys_(std::move(left_keys)),
        right_keys_(std::move(right_keys)),
        keep_matching_(keep_matching),
        steps_(steps.count),
        on_left_(keys, false),
        presence_(keys, steps) {
    for (const uint32_t key : left_keys_) on_left_[key] = true;
  }

  Status produce(Row& row) override {
    if (index_ == 0) {
      for (const uint32_t key : right_keys_) {
        const auto read = on_left_[key] ? right_->next(row) : right_->skip(row);
        if (!read) {
          auto finished = left_->finish();  // evaluated first: its error is the one that is told
          return finished ? read : std::move(finished);
        }
        if (on_left_[key]) presence_.add(key, row);
      }
    }
    const uint32_t key = left_keys_[index_++];
    if (keep_matching_ && !presence_.any(key)) return pass_over(row);
    if (auto read = left_->next(row); !read) return read;
    mask(row, presence_.of(key), keep_matching_);
    return {};
  }

 private:
  /// Nothing on the right keeps the series.
  Status pass_over(Row& row) {
    if (auto passed = left_->skip(row); !passed) return passed;
    row.reset(steps_);
    return {};
  }

  const StreamPtr left_;
  const StreamPtr right_;
  const std::vector<uint32_t> left_keys_;
  const std::vector<uint32_t> right_keys_;
  const bool keep_matching_;
  const size_t steps_;
  std::vector<bool> on_left_;  // by key
  KeyPresence presence_;
  size_t index_ = 0;
};

/// `or`: the whole left side, then what it does not cover of the right.
class OrStream final : public SeriesStream {
 public:
  OrStream(StreamPtr left, StreamPtr right, std::vector<SeriesInfo> series,
           std::vector<uint32_t> left_keys, std::vector<uint32_t> right_keys, size_t keys,
           const Steps& steps)
      : SeriesStream(std::move(series)),
        left_(std::move(left)),
        right_(std::move(right)),
        left_keys_(std::move(left_keys)),
        right_keys_(std::move(right_keys)),
        presence_(keys, steps) {}

  Status produce(Row& row) override {
    const size_t index = index_++;
    if (index < left_keys_.size()) {
      if (auto read = left_->next(row); !read) return read;
      presence_.add(left_keys_[index], row);
      return {};
    }
    if (auto read = right_->next(row); !read) return read;
    mask(row, presence_.of(right_keys_[index - left_keys_.size()]), false);
    return {};
  }

 private:
  const StreamPtr left_;
  const StreamPtr right_;
  const std::vector<uint32_t> left_keys_;
  const std::vector<uint32_t> right_keys_;
  KeyPresence presence_;
  size_t index_ = 0;
};

}  // namespace

Result<StreamPtr> apply_set_operator(const Binary& binary, StreamPtr left, StreamPtr right,
                                     const Steps& steps, QueryContext& context) {
  LabelProjection projection = projection_of(binary, context);
  std::vector<uint32_t> left_keys = ids_of(projection, left->series());
  std::vector<uint32_t> right_keys = ids_of(projection, right->series());
  const size_t keys = projection.size();
  if (binary.op != BinaryOp::Or) {
    if (left->size() == 0) {
      if (auto finished = right->finish(); !finished) return std::move(finished).error();
    }
    return StreamPtr(std::make_unique<FilterStream>(std::move(left), std::move(right),
                                                    std::move(left_keys), std::move(right_keys),
                                                    keys, binary.op == BinaryOp::And, steps));
  }
  std::vector<SeriesInfo> series = left->take_series();
  std::vector<SeriesInfo> more = right->take_series();
  series.insert(series.end(), std::make_move_iterator(more.begin()),
                std::make_move_iterator(more.end()));
  return StreamPtr(std::make_unique<OrStream>(std::move(left), std::move(right), std::move(series),
                                              std::move(left_keys), std::move(right_keys), keys,
                                              steps));
}

}  // namespace aerie::query
