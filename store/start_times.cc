#include "store/start_times.h"

#include <algorithm>

#include "base/check.h"
#include "store/columns.h"

namespace aerie::store {
namespace {

constexpr uint8_t kBeforeSample = 1;  // numbers are time - start
constexpr uint8_t kSomeUnset = 2;
constexpr uint8_t kKnownFlags = kBeforeSample | kSomeUnset;

/// Wraps around like everything that is sent.
int64_t difference(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
int64_t sum(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

Error corrupt(const char* what) {
  return Error(ErrorCode::Corruption, std::string("start timestamps: ") + what);
}

/// The numbers that stand for `starts`; an unset one repeats its neighbour, which costs nothing.
std::vector<int64_t> numbers_of(std::span<const model::TimestampMs> times,
                                std::span<const model::TimestampMs> starts, bool before_sample) {
  const auto set = std::find_if(starts.begin(), starts.end(),
                                [](model::TimestampMs start) { return start != 0; });
  AERIE_CHECK(set != starts.end(), "a column of start timestamps needs one that is set");
  const auto number = [&](size_t i) {
    return before_sample ? difference(times[i], starts[i]) : starts[i];
  };
  std::vector<int64_t> out(starts.size());
  int64_t last = number(static_cast<size_t>(set - starts.begin()));
  for (size_t i = 0; i < starts.size(); ++i) {
    if (starts[i] != 0) last = number(i);
    out[i] = last;
  }
  return out;
}

}  // namespace

void put_start_runs(std::string& out, model::TimestampMs arrived,
                    std::span<const model::TimestampMs> starts) {
  model::TimestampMs previous = arrived;
  for (size_t first = 0; first < starts.size();) {
    size_t end = first + 1;
    while (end < starts.size() && starts[end] == starts[first]) ++end;
    put_varint(out, end - first);
    put_zigzag(out, difference(starts[first], previous));
    previous = starts[first];
    first = end;
  }
}

void get_start_runs(ByteReader& in, model::TimestampMs arrived, size_t rows,
                    std::vector<model::TimestampMs>& out) {
  out.clear();
  out.reserve(rows);
  model::TimestampMs start = arrived;
  while (out.size() < rows && !in.failed()) {
    const uint64_t length = in.varint();
    if (length == 0 || length > rows - out.size()) in.fail();
    start = sum(start, in.zigzag());
    if (!in.failed()) out.insert(out.end(), length, start);
  }
  if (in.left() > 0) in.fail();
}

void put_start_column(IntegerEncoder& encoder, std::span<const model::TimestampMs> times,
                      std::span<const model::TimestampMs> starts, ColumnBytes& out) {
  ColumnBytes absolute;
  encoder.put(numbers_of(times, starts, false), absolute);
  ColumnBytes relative;
  encoder.put(numbers_of(times, starts, true), relative);
  const bool before_sample = relative.size() < absolute.size();
  const auto unset = static_cast<size_t>(std::count(starts.begin(), starts.end(), 0));
  put_u8(out.head, static_cast<uint8_t>(ColumnKind::StartTimestamps));
  put_u8(out.head,
         static_cast<uint8_t>((before_sample ? kBeforeSample : 0) | (unset > 0 ? kSomeUnset : 0)));
  if (unset > 0) {
    put_varint(out.head, unset);
    size_t next = 0;
    for (size_t i = 0; i < starts.size(); ++i) {
      if (starts[i] != 0) continue;
      put_varint(out.head, i - next);
      next = i + 1;
    }
  }
  const ColumnBytes& smaller = before_sample ? relative : absolute;
  out.head += smaller.head;
  out.body += smaller.body;
}

Status get_start_column(ColumnReader& in, std::span<const model::TimestampMs> times,
                        std::vector<model::TimestampMs>& out) {
  const uint8_t kind = in.head.u8();
  const uint8_t flags = in.head.u8();
  if (in.head.failed() || static_cast<ColumnKind>(kind) != ColumnKind::StartTimestamps)
    return corrupt("unknown column kind");
  if ((flags & ~kKnownFlags) != 0) return corrupt("unknown flags");
  std::vector<size_t> unset;
  if ((flags & kSomeUnset) != 0) {
    const uint64_t count = in.head.varint();
    if (count > times.size()) return corrupt("more rows unset than there are");
    size_t next = 0;
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t skip = in.head.varint();
      if (skip >= times.size() - next) return corrupt("bad unset row");
      unset.push_back(next + skip);
      next += skip + 1;
    }
  }
  out.resize(times.size());
  if (Status status = get_integers(in, out); !status)
    return std::move(status).error().with("start timestamps");
  if ((flags & kBeforeSample) != 0)
    for (size_t i = 0; i < out.size(); ++i) out[i] = difference(times[i], out[i]);
  for (const size_t row : unset) out[row] = 0;
  return {};
}

}  // namespace aerie::store
