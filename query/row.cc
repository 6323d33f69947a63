#include "query/row.h"

#include <algorithm>

#include "query/query_context.h"

namespace aerie::query {

void mark_all_present(std::span<uint64_t> words, size_t steps) {
  std::fill(words.begin(), words.end(), ~uint64_t{0});
  if (steps % 64 != 0) words.back() = (uint64_t{1} << (steps % 64)) - 1;
}

bool any_present(std::span<const uint64_t> words) {
  return std::any_of(words.begin(), words.end(), [](uint64_t w) { return w != 0; });
}

bool all_present(std::span<const uint64_t> words, size_t steps) {
  const size_t whole = steps / 64;
  for (size_t w = 0; w < whole; ++w)
    if (words[w] != ~uint64_t{0}) return false;
  return steps % 64 == 0 || words[whole] == (uint64_t{1} << (steps % 64)) - 1;
}

size_t count_present(std::span<const uint64_t> words) {
  size_t count = 0;
  for (const uint64_t word : words) count += static_cast<size_t>(std::popcount(word));
  return count;
}

bool overlap(std::span<const uint64_t> a, std::span<const uint64_t> b) {
  for (size_t w = 0; w < a.size(); ++w)
    if ((a[w] & b[w]) != 0) return true;
  return false;
}

void Row::reset(size_t steps) {
  values.resize(steps);
  present.assign((steps + 63) / 64, 0);
  histograms.clear();
}

void Row::set(size_t step, HistogramPtr histogram) {
  if (histograms.empty()) histograms.resize(steps());
  histograms[step] = std::move(histogram);
  mark_present(present.data(), step);
}

void Row::remove(size_t step) {
  mark_absent(present.data(), step);
  if (!histograms.empty()) histograms[step].reset();
}

void Row::drop_histograms() {
  for (size_t i = 0; i < histograms.size(); ++i)
    if (histograms[i] != nullptr) mark_absent(present.data(), i);
  histograms.clear();
}

void Row::copy_sample(const RowView& from, size_t step) {
  if (from.is_histogram(step)) {
    set(step, from.histograms[step]);
  } else {
    if (!histograms.empty()) histograms[step].reset();
    set(step, from.values[step]);
  }
}

void Row::assign(const RowView& from) {
  values.assign(from.values, from.values + from.steps);
  present.assign(from.present, from.present + from.words().size());
  histograms.clear();
  if (from.histograms != nullptr) histograms.assign(from.histograms, from.histograms + from.steps);
}

Block::~Block() { budget_->release(held_); }

Block::Block(Block&& other) noexcept
    : steps_(other.steps_),
      budget_(other.budget_),
      size_(std::exchange(other.size_, 0)),
      held_(std::exchange(other.held_, 0)),
      values_(std::move(other.values_)),
      present_(std::move(other.present_)),
      histograms_(std::move(other.histograms_)) {}

void Block::reserve(size_t rows) {
  values_.reserve(rows * steps_);
  present_.reserve(rows * ((steps_ + 63) / 64));
}

Status Block::append(const RowView& row) {
  const uint64_t samples = count_present(row.words());
  if (auto held = budget_->hold(samples); !held) return held;
  held_ += samples;
  values_.insert(values_.end(), row.values, row.values + steps_);
  present_.insert(present_.end(), row.words().begin(), row.words().end());
  if (row.histograms != nullptr) {
    histograms_.resize(size_ + 1);
    histograms_[size_].assign(row.histograms, row.histograms + steps_);
  }
  ++size_;
  return {};
}

RowView Block::row(size_t index) const {
  const bool sparse = index < histograms_.size() && !histograms_[index].empty();
  return {values_.data() + index * steps_, present_.data() + index * ((steps_ + 63) / 64),
          sparse ? histograms_[index].data() : nullptr, steps_};
}

}  // namespace aerie::query
