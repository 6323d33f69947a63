#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "query/value.h"

namespace aerie::query {

class SampleBudget;

/// Presence is one bit per step, 64 to a word; bits past the last step are always zero. Values of
/// absent steps are unspecified: kernels may compute on them, nobody may read them. Presence never
/// hides inside a value: a stale marker is a signalling NaN and would turn into an ordinary,
/// present one by any arithmetic.
inline bool is_present(const uint64_t* words, size_t step) {
  return words[step / 64] >> (step % 64) & 1;
}
inline void mark_present(uint64_t* words, size_t step) {
  words[step / 64] |= uint64_t{1} << (step % 64);
}
inline void mark_absent(uint64_t* words, size_t step) {
  words[step / 64] &= ~(uint64_t{1} << (step % 64));
}
void mark_all_present(std::span<uint64_t> words, size_t steps);
bool any_present(std::span<const uint64_t> words);
bool all_present(std::span<const uint64_t> words, size_t steps);
size_t count_present(std::span<const uint64_t> words);
/// True if some step is present in both. Same length.
bool overlap(std::span<const uint64_t> a, std::span<const uint64_t> b);

/// Calls `visit(step)` for every present step, ascending.
template <class Visit>
void for_each_present(std::span<const uint64_t> words, Visit visit) {
  for (size_t w = 0; w < words.size(); ++w)
    for (uint64_t bits = words[w]; bits != 0; bits &= bits - 1)
      visit(w * 64 + static_cast<size_t>(std::countr_zero(bits)));
}

/// One series over the steps, borrowed.
struct RowView {
  const double* values = nullptr;
  const uint64_t* present = nullptr;
  const HistogramPtr* histograms =
      nullptr;  ///< null, or one per step: set where the sample is a histogram
  size_t steps = 0;

  std::span<const uint64_t> words() const { return {present, (steps + 63) / 64}; }
  bool has(size_t step) const { return is_present(present, step); }
  bool is_histogram(size_t step) const {
    return histograms != nullptr && histograms[step] != nullptr;
  }
};

/// One series over the steps, owned and reused from series to series.
struct Row {
  std::vector<double> values;
  std::vector<uint64_t> present;
  std::vector<HistogramPtr> histograms;  ///< empty unless some sample is a histogram

  /// `steps` absent samples; values keep whatever they were.
  void reset(size_t steps);
  size_t steps() const { return values.size(); }
  bool has(size_t step) const { return is_present(present.data(), step); }
  bool is_histogram(size_t step) const {
    return !histograms.empty() && histograms[step] != nullptr;
  }
  void set(size_t step, double value) {
    values[step] = value;
    mark_present(present.data(), step);
  }
  void set(size_t step, HistogramPtr histogram);
  void remove(size_t step);
  /// Makes histograms absent; floats stay.
  void drop_histograms();
  /// Copies the other row's sample at `step`, which must be present there.
  void copy_sample(const RowView& from, size_t step);
  void assign(const RowView& from);
  RowView view() const {
    return {values.data(), present.data(), histograms.empty() ? nullptr : histograms.data(),
            values.size()};
  }
};

/// Many series over the same steps: values contiguous, series after series. Counts its samples
/// against the budget.
class Block {
 public:
  Block(size_t steps, SampleBudget& budget) : steps_(steps), budget_(&budget) {}
  ~Block();
  Block(Block&& other) noexcept;
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  Block& operator=(Block&&) = delete;

  size_t size() const { return size_; }
  size_t steps() const { return steps_; }
  void reserve(size_t rows);
  /// Errors: ResourceExhausted past the query's sample limit.
  Status append(const RowView& row);
  RowView row(size_t index) const;

 private:
  const size_t steps_;
  SampleBudget* budget_;
  size_t size_ = 0;
  uint64_t held_ = 0;
  std::vector<double> values_;
  std::vector<uint64_t> present_;
  std::vector<std::vector<HistogramPtr>>
      histograms_;  // per series, mostly empty; short when none came yet
};

}  // namespace aerie::query
