#include "store/head_block.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "base/check.h"

namespace aerie::store {
namespace {

using Kind = ColumnSegment::Kind;

constexpr size_t kArenaChunkWords = 8192;
constexpr uint16_t kFirstCapacity = 8;
constexpr uint16_t kLargestCapacity = 64;
constexpr uint16_t kRunWorthwhile = 8;  // a run this long is expected to be followed by another run
constexpr uint16_t kRepeatsToRun = 4;   // equal values in a row that end a packed segment
constexpr double kScales[] = {1, 100, 1000};
constexpr double kLargestExact = 9007199254740992.0;  // 2^53

bool to_integer(double value, uint8_t scale, int64_t& out) {
  const double scaled = value * kScales[scale];
  if (!(std::fabs(scaled) < kLargestExact)) return false;
  out = std::llrint(scaled);
  return std::bit_cast<uint64_t>(static_cast<double>(out) / kScales[scale]) ==
         std::bit_cast<uint64_t>(value);
}

double from_integer(int64_t integer, uint8_t scale) {
  return static_cast<double>(integer) / kScales[scale];
}

double value_at(const ColumnSegment& segment, uint32_t i) {
  switch (segment.kind) {
    case Kind::Raw: return std::bit_cast<double>(segment.payload<uint64_t>()[i]);
    case Kind::Int16:
      return from_integer(segment.base + segment.payload<int16_t>()[i], segment.scale);
    case Kind::Int32:
      return from_integer(segment.base + segment.payload<int32_t>()[i], segment.scale);
    default: return std::bit_cast<double>(segment.base);
  }
}

template <class T>
bool append_difference(ColumnSegment& segment, uint16_t count, uint64_t bits) {
  int64_t integer = 0;
  if (!to_integer(std::bit_cast<double>(bits), segment.scale, integer)) return false;
  const int64_t difference = integer - segment.base;
  if (difference < std::numeric_limits<T>::min() || difference > std::numeric_limits<T>::max())
    return false;
  segment.payload<T>()[count] = static_cast<T>(difference);
  return true;
}

}  // namespace

void* Arena::allocate(size_t bytes) {
  const size_t words = (bytes + 7) / 8;
  if (words > left_words_) {
    const size_t chunk = std::max(words, kArenaChunkWords);
    chunks_.push_back(std::make_unique<uint64_t[]>(chunk));
    next_ = chunks_.back().get();
    left_words_ = chunk;
    bytes_.fetch_add(chunk * 8, std::memory_order_relaxed);
  }
  void* out = next_;
  next_ += words;
  left_words_ -= words;
  return out;
}

// -------------------------------------------------------------------------------------------------------------
// clocks

uint32_t HeadBlock::append_time(uint32_t id, model::TimestampMs t) {
  SharedClock& clock = clocks_.make(id);
  SharedClock::Rows* rows = clock.rows.load(std::memory_order_relaxed);
  if (rows == nullptr || clock.size == rows->capacity) {
    const uint32_t capacity = rows == nullptr ? 4 : rows->capacity * 2;
    auto* grown = static_cast<SharedClock::Rows*>(
        arena_.allocate(sizeof(SharedClock::Rows) + capacity * sizeof(t)));
    grown->capacity = capacity;
    if (rows != nullptr) std::memcpy(grown->times(), rows->times(), clock.size * sizeof(t));
    grown->times()[clock.size] = t;
    clock.rows.store(grown, std::memory_order_release);
  } else {
    rows->times()[clock.size] = t;  // readers do not look before a column publishes the row
  }
  if (clock.size > 0) {
    const auto old = newest_.find(time_at(clock, clock.size - 1));
    if (old != newest_.end() && old->second == id) newest_.erase(old);
  }
  newest_[t] = id;
  return clock.size++;
}

HeadBlock::Place HeadBlock::first_place(model::TimestampMs t) {
  const auto known = newest_.find(t);
  if (known != newest_.end()) {
    SharedClock& clock = clocks_.make(known->second);
    ++clock.members;
    return {known->second, clock.size - 1};
  }
  const uint32_t id = clock_count_++;
  AERIE_CHECK(id < SlotDirectory<SharedClock>::kLimit, "too many clocks in one block");
  clocks_.make(id).members = 1;
  return {id, append_time(id, t)};
}

HeadBlock::Place HeadBlock::next_place(Place expected, model::TimestampMs t) {
  SharedClock& clock = clocks_.make(expected.clock);
  if (expected.row < clock.size) {
    if (time_at(clock, expected.row) == t) return expected;
    // The series missed a scrape that others of its clock have.
    const model::TimestampMs* times = clock.rows.load(std::memory_order_relaxed)->times();
    const auto* found = std::lower_bound(times + expected.row, times + clock.size, t);
    if (found != times + clock.size && *found == t)
      return {expected.clock, static_cast<uint32_t>(found - times)};
  } else if (clock.members > 1 || newest_.find(t) == newest_.end()) {
    append_time(expected.clock, t);
    return expected;
  }
  --clock.members;
  return first_place(t);
}

// ------------------------------------------------------------------------------------------------------------
// columns

ColumnSegment* HeadBlock::make_segment(Kind kind, Place place, uint16_t capacity,
                                       size_t value_bytes) {
  auto* segment =
      new (arena_.allocate(sizeof(ColumnSegment) + capacity * value_bytes)) ColumnSegment();
  segment->clock = place.clock;
  segment->first_row = place.row;
  segment->capacity = capacity;
  segment->kind = kind;
  return segment;
}

bool HeadBlock::extend(ColumnSegment& segment, uint64_t bits) {
  const uint16_t count = segment.count.load(std::memory_order_relaxed);
  if (count == segment.capacity) return false;
  if (segment.kind == Kind::Run) {
    if (static_cast<uint64_t>(segment.base) != bits) return false;
  } else {
    if (count >= kRepeatsToRun) {
      uint16_t repeats = 0;
      while (repeats < kRepeatsToRun &&
             std::bit_cast<uint64_t>(value_at(segment, count - 1u - repeats)) == bits)
        ++repeats;
      if (repeats == kRepeatsToRun) return false;
    }
    if (segment.kind == Kind::Raw) {
      segment.payload<uint64_t>()[count] = bits;
    } else if (segment.kind == Kind::Int16) {
      if (!append_difference<int16_t>(segment, count, bits)) return false;
    } else if (segment.kind == Kind::Int32) {
      if (!append_difference<int32_t>(segment, count, bits)) return false;
    } else {
      return false;
    }
  }
  segment.count.store(static_cast<uint16_t>(count + 1), std::memory_order_release);
  return true;
}

void HeadBlock::open_segment(Column& column, Place place, uint64_t previous_bits, uint64_t bits) {
  ColumnSegment* previous = column.last.load(std::memory_order_relaxed);
  const bool after_run = previous == nullptr || previous->kind == Kind::Run;
  const uint32_t run = previous != nullptr ? previous->count.load(std::memory_order_relaxed)
                                           : column.first_count.load(std::memory_order_relaxed);
  ColumnSegment* segment = nullptr;
  if (previous_bits == bits || (after_run && run >= kRunWorthwhile)) {
    segment = make_segment(Kind::Run, place, std::numeric_limits<uint16_t>::max(), 0);
    segment->base = static_cast<int64_t>(bits);
  } else {
    uint16_t capacity = kFirstCapacity;
    if (!after_run)
      capacity =
          std::min<uint16_t>(kLargestCapacity, static_cast<uint16_t>(previous->capacity * 2));
    const bool outgrown = !after_run && run < previous->capacity;  // its width did not suffice
    const double now = std::bit_cast<double>(bits);
    const double before = std::bit_cast<double>(previous_bits);
    for (uint8_t scale = 0; scale < std::size(kScales) && segment == nullptr; ++scale) {
      int64_t integer = 0;
      int64_t integer_before = 0;
      if (!to_integer(now, scale, integer) || !to_integer(before, scale, integer_before)) continue;
      const int64_t reach = std::abs(integer - integer_before) * capacity * 2;
      const bool narrow = reach <= std::numeric_limits<int16_t>::max() &&
                          !(outgrown && previous->kind == Kind::Int16);
      const bool middle = reach <= std::numeric_limits<int32_t>::max() &&
                          !(outgrown && previous->kind == Kind::Int32);
      if (!narrow && !middle) break;
      segment = make_segment(narrow ? Kind::Int16 : Kind::Int32, place, capacity, narrow ? 2 : 4);
      segment->base = integer;
      segment->scale = scale;  // the first difference is the zero of the arena
    }
    if (segment == nullptr) {
      segment = make_segment(Kind::Raw, place, capacity, sizeof(bits));
      segment->payload<uint64_t>()[0] = bits;
    }
  }
  segment->previous = previous;
  segment->count.store(1, std::memory_order_relaxed);
  column.last.store(segment, std::memory_order_release);
}

void HeadBlock::append(Column& column, model::TimestampMs t, uint64_t bits) {
  note(t);
  ColumnSegment* last = column.last.load(std::memory_order_relaxed);
  const uint32_t run = column.first_count.load(std::memory_order_relaxed);
  if (last == nullptr && run == 0) {
    const Place place = first_place(t);
    column.first_bits = bits;
    column.clock = place.clock;
    column.first_row = place.row;
    column.first_count.store(1, std::memory_order_release);
    column_bytes_.store(columns_.bytes() + clocks_.bytes(), std::memory_order_relaxed);
    return;
  }
  if (last == nullptr) {
    const Place expected{column.clock, column.first_row + run};
    const Place place = next_place(expected, t);
    const bool goes_on = place.clock == expected.clock && place.row == expected.row;
    if (goes_on && column.first_bits == bits) {
      column.first_count.store(run + 1, std::memory_order_release);
    } else {
      open_segment(column, place, column.first_bits, bits);
    }
    return;
  }
  const uint32_t count = last->count.load(std::memory_order_relaxed);
  const Place expected{last->clock, last->first_row + count};
  const Place place = next_place(expected, t);
  const bool goes_on = place.clock == expected.clock && place.row == expected.row;
  if (goes_on && extend(*last, bits)) return;
  const uint64_t previous_bits =
      last->kind == Kind::Histogram ? ~bits : std::bit_cast<uint64_t>(value_at(*last, count - 1));
  open_segment(column, place, previous_bits, bits);
}

void HeadBlock::append_histogram(Column& column, const model::HistogramSample& sample) {
  note(sample.t);
  ColumnSegment* last = column.last.load(std::memory_order_relaxed);
  const uint32_t run = column.first_count.load(std::memory_order_relaxed);
  Place place{};
  Place expected{};
  if (last == nullptr && run == 0) {
    place = first_place(sample.t);
    expected = {place.clock, place.row + 1};  // never goes on
  } else {
    expected =
        last == nullptr
            ? Place{column.clock, column.first_row + run}
            : Place{last->clock, last->first_row + last->count.load(std::memory_order_relaxed)};
    place = next_place(expected, sample.t);
  }
  histograms_.push_back(sample.histogram);  // a deque's elements stay where they are
  const auto* stored = &histograms_.back();
  const bool goes_on = place.clock == expected.clock && place.row == expected.row;
  if (goes_on && last != nullptr && last->kind == Kind::Histogram) {
    const uint16_t count = last->count.load(std::memory_order_relaxed);
    if (count < last->capacity) {
      last->payload<const std::shared_ptr<const model::NativeHistogram>*>()[count] = stored;
      last->count.store(static_cast<uint16_t>(count + 1), std::memory_order_release);
      return;
    }
  }
  ColumnSegment* segment = make_segment(Kind::Histogram, place, kFirstCapacity, sizeof(stored));
  segment->payload<const std::shared_ptr<const model::NativeHistogram>*>()[0] = stored;
  segment->previous = last;
  segment->count.store(1, std::memory_order_relaxed);
  column.last.store(segment, std::memory_order_release);
}

bool HeadBlock::ascends(const Column& column, model::TimestampMs t) const {
  const ColumnSegment* last = column.last.load(std::memory_order_relaxed);
  const uint32_t run = column.first_count.load(std::memory_order_relaxed);
  if (last == nullptr && run == 0) return true;
  const Place newest =
      last == nullptr
          ? Place{column.clock, column.first_row + run - 1}
          : Place{last->clock, last->first_row + last->count.load(std::memory_order_relaxed) - 1u};
  return time_at(*clocks_.find(newest.clock), newest.row) < t;
}

void HeadBlock::insert_late(const Column& column, LateSamples::Sample sample) {
  note(sample.t);
  late_.insert(&column, std::move(sample));
}

void HeadBlock::note(model::TimestampMs t) {
  samples_.fetch_add(1, std::memory_order_relaxed);
  if (t < first_t_.load(std::memory_order_relaxed)) first_t_.store(t, std::memory_order_relaxed);
  if (t > last_t_.load(std::memory_order_relaxed)) last_t_.store(t, std::memory_order_relaxed);
}

// ------------------------------------------------------------------------------------------------------------
// reading

const Column* HeadBlock::find(uint32_t slot) const {
  const Column* column = columns_.find(slot);
  return column == nullptr || column->empty() ? nullptr : column;
}

model::TimeRange HeadBlock::extent() const {
  return {first_t_.load(std::memory_order_relaxed), last_t_.load(std::memory_order_relaxed)};
}

void HeadBlock::read(uint32_t slot, const Column& column, model::TimeRange range,
                     model::SeriesSamples& out) const {
  const size_t first_value = out.values.size();
  const size_t first_histogram = out.histograms.size();
  read_values(column, range, out);
  starts_.fill(slot, out, first_value, first_histogram);
  if (!late_.empty()) late_.merge_into(&column, range, out);
}

bool HeadBlock::add_exemplar(uint32_t slot, model::Exemplar exemplar, size_t limit) {
  if (find(slot) == nullptr) return false;
  const bool added = exemplars_.with([&](Exemplars& all) {
    if (all.count >= limit) return false;
    all.of_slots[slot].push_back(std::move(exemplar));
    ++all.count;
    return true;
  });
  if (added) has_exemplars_.store(true, std::memory_order_release);
  return added;
}

std::vector<model::Exemplar> HeadBlock::exemplars(uint32_t slot) const {
  if (!has_exemplars()) return {};
  return exemplars_.with([&](const Exemplars& all) {
    const auto found = all.of_slots.find(slot);
    return found == all.of_slots.end() ? std::vector<model::Exemplar>() : found->second;
  });
}

void HeadBlock::read_values(const Column& column, model::TimeRange range,
                            model::SeriesSamples& out) const {
  // Newest first until the range begins. The count of a segment is read before its clock's rows:
  // both were published in the other order.
  struct Piece {
    const ColumnSegment* segment;
    uint32_t count;
  };
  std::vector<Piece> pieces;
  const ColumnSegment* segment = column.last.load(std::memory_order_acquire);
  const uint32_t run = column.first_count.load(std::memory_order_acquire);
  bool before_range = false;
  for (; segment != nullptr && !before_range; segment = segment->previous) {
    pieces.push_back({segment, segment->count.load(std::memory_order_acquire)});
    before_range = time_at(*clocks_.find(segment->clock), segment->first_row) <= range.first;
  }
  const auto rows_in_range = [&](uint32_t clock, uint32_t first_row, uint32_t count) {
    const model::TimestampMs* times =
        clocks_.find(clock)->rows.load(std::memory_order_acquire)->times() + first_row;
    const auto* from = std::lower_bound(times, times + count, range.first);
    const auto* to = std::upper_bound(from, times + count, range.last);
    struct Rows {
      const model::TimestampMs* times;
      uint32_t from;
      uint32_t to;
    };
    return Rows{times, static_cast<uint32_t>(from - times), static_cast<uint32_t>(to - times)};
  };
  if (!before_range && run > 0) {
    const auto rows = rows_in_range(column.clock, column.first_row, run);
    out.timestamps.insert(out.timestamps.end(), rows.times + rows.from, rows.times + rows.to);
    out.values.insert(out.values.end(), rows.to - rows.from,
                      std::bit_cast<double>(column.first_bits));
  }
  for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) {
    const ColumnSegment& one = *piece->segment;
    const auto rows = rows_in_range(one.clock, one.first_row, piece->count);
    if (one.kind == Kind::Histogram) {
      for (uint32_t i = rows.from; i < rows.to; ++i) {
        out.histograms.push_back(
            {rows.times[i],
             *one.payload<const std::shared_ptr<const model::NativeHistogram>*>()[i]});
      }
      continue;
    }
    out.timestamps.insert(out.timestamps.end(), rows.times + rows.from, rows.times + rows.to);
    for (uint32_t i = rows.from; i < rows.to; ++i) out.values.push_back(value_at(one, i));
  }
}

}  // namespace aerie::store
