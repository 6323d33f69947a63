#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/guarded.h"
#include "model/sample.h"
#include "model/sample_source.h"
#include "store/late_samples.h"
#include "store/partition_set.h"
#include "store/slot_directory.h"
#include "store/start_history.h"

namespace aerie::store {

/// Bump allocation for one block of the head; freed as a whole. Owned by the writer.
class Arena {
 public:
  /// 8-byte aligned, zeroed.
  void* allocate(size_t bytes);
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  std::vector<std::unique_ptr<uint64_t[]>> chunks_;
  uint64_t* next_ = nullptr;
  size_t left_words_ = 0;
  std::atomic<size_t> bytes_{0};
};

/// The timestamps that the series of one scrape share. The writer appends strictly ascending times;
/// readers look only at rows that a column published after them.
struct SharedClock {
  struct Rows {
    uint32_t capacity;
    model::TimestampMs* times() { return reinterpret_cast<model::TimestampMs*>(this + 1); }
    uint32_t pad;
  };
  std::atomic<Rows*> rows{
      nullptr};          // replaced when it grows; the old one stays readable in the arena
  uint32_t size = 0;     // writer only
  uint32_t members = 0;  // columns that append to it now; writer only
};

/// Consecutive rows of one clock. Immutable but for `count`, which only grows.
struct ColumnSegment {
  enum class Kind : uint8_t { Run, Raw, Int16, Int32, Histogram };
  ColumnSegment* previous;
  int64_t base;  // Run: the bits; Int16/32: the integer that differences count from
  uint32_t clock;
  uint32_t first_row;
  std::atomic<uint16_t> count;
  uint16_t capacity;
  Kind kind;
  uint8_t scale;  // Int16/32: value = integer / 1, 100, 1000
  template <class T>
  T* payload() {
    return reinterpret_cast<T*>(this + 1);
  }
  template <class T>
  const T* payload() const {
    return reinterpret_cast<const T*>(this + 1);
  }
};

/// One series within one block. Most series never change within half an hour: a first run lies in
/// the column itself.
struct Column {
  std::atomic<ColumnSegment*> last{nullptr};  // the segments after the first run, newest first
  uint64_t first_bits = 0;
  uint32_t clock = 0;
  uint32_t first_row = 0;
  std::atomic<uint32_t> first_count{0};
  uint32_t generation = 0;  // of the series; set before the first sample is published

  bool empty() const {
    return first_count.load(std::memory_order_acquire) == 0 &&
           last.load(std::memory_order_acquire) == nullptr;
  }
};

/// The unsealed samples of one time span. One thread (the applier) appends; any number of threads
/// read meanwhile without a lock: everything is append-only behind published counts (release by the
/// writer, acquire by the reader), and nothing is freed before the block is.
class HeadBlock {
 public:
  struct Birth {
    LogPosition position =
        0;  ///< the record that made the block; earlier ones hold none of its samples
    model::TimestampMs arrived = 0;  ///< of that record
    uint8_t tier = 0;                ///< as which the block is sealed, which gives its span
  };
  HeadBlock(uint32_t serial, model::TimeRange span, Birth birth)
      : serial_(serial), span_(span), birth_(birth) {}

  uint32_t serial() const { return serial_; }
  model::TimeRange span() const { return span_; }
  const Birth& birth() const { return birth_; }
  /// Deletions up to this number take nothing from it: they came before its first sample, or found
  /// none of their series here.
  uint64_t erasures() const { return erasures_.load(std::memory_order_acquire); }
  /// Writer.
  void pass_erasures(uint64_t last_number) {
    erasures_.store(last_number, std::memory_order_release);
  }
  /// Writer. Records at `position` and later put nothing here; 0: it was not said.
  void cut_at(LogPosition position) { cut_at_ = position; }
  LogPosition cut_at() const { return cut_at_; }

  /// Writer. The column of a slot, made if needed.
  Column& column(uint32_t slot) { return columns_.make(slot); }
  /// Writer. Times must ascend within a column.
  void append(Column& column, model::TimestampMs t, uint64_t bits);
  void append_histogram(Column& column, const model::HistogramSample& sample);
  /// Writer. Whether append() may follow with this time.
  bool ascends(const Column& column, model::TimestampMs t) const;
  /// Writer. A sample that append() may not take; there must be none at its time yet.
  void insert_late(const Column& column, LateSamples::Sample sample);
  /// Writer, before the sample is appended: when its counter began; 0: not said.
  void note_start(uint32_t slot, model::TimestampMs t, model::TimestampMs start) {
    starts_.add(arena_, slot, t, start);
  }

  /// Reader. Null if the series has no sample here.
  const Column* find(uint32_t slot) const;
  /// Adds the samples of `range` to `out`, which must end before the block's extent; `column` is
  /// that of `slot`.
  void read(uint32_t slot, const Column& column, model::TimeRange range,
            model::SeriesSamples& out) const;

  /// Writer. False if the series has no sample here, or the block is full of exemplars.
  bool add_exemplar(uint32_t slot, model::Exemplar exemplar, size_t limit);
  /// Reader. In the order in which they came.
  std::vector<model::Exemplar> exemplars(uint32_t slot) const;
  bool has_exemplars() const { return has_exemplars_.load(std::memory_order_acquire); }

  uint64_t samples() const { return samples_.load(std::memory_order_relaxed); }
  /// Of the samples inside; empty range if there are none.
  model::TimeRange extent() const;
  size_t bytes() const {
    return arena_.bytes() + column_bytes_.load(std::memory_order_relaxed) + late_.bytes();
  }

 private:
  struct Place {
    uint32_t clock;
    uint32_t row;
  };
  Place first_place(model::TimestampMs t);
  Place next_place(Place expected, model::TimestampMs t);
  uint32_t append_time(uint32_t clock, model::TimestampMs t);
  model::TimestampMs time_at(const SharedClock& clock, uint32_t row) const {
    return clock.rows.load(std::memory_order_acquire)->times()[row];
  }
  bool extend(ColumnSegment& segment, uint64_t bits);
  void open_segment(Column& column, Place place, uint64_t previous_bits, uint64_t bits);
  ColumnSegment* make_segment(ColumnSegment::Kind kind, Place place, uint16_t capacity,
                              size_t value_bytes);
  void note(model::TimestampMs t);
  void read_values(const Column& column, model::TimeRange range, model::SeriesSamples& out) const;

  const uint32_t serial_;
  const model::TimeRange span_;
  const Birth birth_;
  LogPosition cut_at_ = 0;  // writer only
  Arena arena_;
  SlotDirectory<Column> columns_;
  SlotDirectory<SharedClock> clocks_;
  StartHistory starts_;
  struct Exemplars {
    std::unordered_map<uint32_t, std::vector<model::Exemplar>> of_slots;
    size_t count = 0;
  };
  Guarded<Exemplars> exemplars_;
  std::atomic<bool> has_exemplars_{false};
  uint32_t clock_count_ = 0;
  std::unordered_map<model::TimestampMs, uint32_t> newest_;  // newest time of a clock -> the clock
  std::deque<std::shared_ptr<const model::NativeHistogram>> histograms_;
  LateSamples late_;
  std::atomic<uint64_t> erasures_{0};
  std::atomic<uint64_t> samples_{0};
  std::atomic<model::TimestampMs> first_t_{model::kMaxTimestamp};
  std::atomic<model::TimestampMs> last_t_{model::kMinTimestamp};
  std::atomic<size_t> column_bytes_{0};
};

}  // namespace aerie::store
