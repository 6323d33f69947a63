#include "store/integer_block.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <numeric>
#include <utility>

namespace aerie::store {
namespace {

constexpr unsigned kOrderMask = 3;
constexpr unsigned kScaled = 4;
constexpr size_t kPatchPositionBytes = 2;  // an estimate: most columns are shorter than 2^14 rows

uint64_t mask_of(unsigned width) { return width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1; }

size_t packed_bytes(size_t count, unsigned width) { return (count * width + 7) / 8; }

struct Width {
  unsigned bits = 0;
  uint64_t bytes = 0;  // of head and body
};

/// The width whose packed bits and patches together are smallest.
Width best_width(const std::array<uint32_t, 65>& counts, size_t total) {
  std::array<uint8_t, 65> used;  // widths that occur, ascending
  size_t uses = 0;
  for (unsigned bits = 0; bits <= 64; ++bits)
    if (counts[bits] != 0) used[uses++] = static_cast<uint8_t>(bits);
  const unsigned widest = uses == 0 ? 0 : used[uses - 1];
  Width best{widest, packed_bytes(total, widest) + 2};
  size_t wider = uses;  // used[wider..] are above the width under test
  uint64_t patched = 0;
  for (unsigned width = widest; width-- > 0;) {
    while (wider > 0 && used[wider - 1] > width) patched += counts[used[--wider]];
    if (patched * (kPatchPositionBytes + 1) >= best.bytes) break;
    uint64_t bytes = packed_bytes(total, width) + patched * kPatchPositionBytes + 2;
    for (size_t i = wider; i < uses; ++i) bytes += counts[used[i]] * ((used[i] - width + 6) / 7);
    if (bytes <= best.bytes) best = {width, bytes};
  }
  return best;
}

std::array<uint32_t, 65> count_widths(std::span<const uint64_t> numbers, uint64_t base) {
  std::array<uint32_t, 65> counts{};
  for (const uint64_t number : numbers) ++counts[std::bit_width(number - base)];
  return counts;
}

void put_bits(std::span<const uint64_t> numbers, unsigned width, std::string& out) {
  if (width == 0) return;
  const size_t start = out.size();
  out.resize(start + packed_bytes(numbers.size(), width) + 16);  // slack for whole-word stores
  char* base = out.data() + start;
  const uint64_t mask = mask_of(width);
  size_t bit = 0;
  for (const uint64_t number : numbers) {
    const uint64_t value = number & mask;
    char* at = base + (bit >> 3);
    const unsigned shift = bit & 7;
    uint64_t low = 0;
    std::memcpy(&low, at, 8);
    low |= value << shift;
    std::memcpy(at, &low, 8);
    if (shift + width > 64) at[8] = static_cast<char>(value >> (64 - shift));
    bit += width;
  }
  out.resize(start + packed_bytes(numbers.size(), width));
}

/// One number whose bytes may end right behind it.
uint64_t careful_get(std::string_view bytes, size_t bit, unsigned width) {
  char window[16] = {};
  const size_t first = bit >> 3;
  std::memcpy(window, bytes.data() + first, std::min<size_t>(9, bytes.size() - first));
  uint64_t low = 0;
  std::memcpy(&low, window, 8);
  const unsigned shift = bit & 7;
  uint64_t value = low >> shift;
  if (shift + width > 64)
    value |= static_cast<uint64_t>(static_cast<uint8_t>(window[8])) << (64 - shift);
  return value & mask_of(width);
}

// Eight numbers of any width begin and end at a byte: their places are known when compiling.
constexpr size_t kLane = 8;
constexpr unsigned kWidestLane = 32;

template <unsigned kWidth>
void get_lanes(const char* bytes, size_t lanes, uint64_t* out) {
  constexpr uint64_t kMask = (uint64_t{1} << kWidth) - 1;
  for (size_t lane = 0; lane < lanes; ++lane, bytes += kWidth, out += kLane) {
#pragma GCC unroll 8
    for (size_t i = 0; i < kLane; ++i) {
      uint64_t word;
      std::memcpy(&word, bytes + i * kWidth / 8, 8);
      out[i] = (word >> (i * kWidth % 8)) & kMask;
    }
  }
}

using GetLanes = void (*)(const char*, size_t, uint64_t*);
template <size_t... kWidths>
constexpr std::array<GetLanes, sizeof...(kWidths)> lanes_of(std::index_sequence<kWidths...>) {
  return {get_lanes<static_cast<unsigned>(kWidths + 1)>...};
}
constexpr auto kGetLanes = lanes_of(std::make_index_sequence<kWidestLane>());

void get_bits(std::string_view bytes, unsigned width, std::span<uint64_t> out) {
  if (width == 0) {
    std::fill(out.begin(), out.end(), 0);
    return;
  }
  size_t index = 0;
  if (width <= kWidestLane && bytes.size() >= width + 8) {
    // The last load of a lane reads at most eight bytes behind it.
    const size_t lanes = std::min(out.size() / kLane, (bytes.size() - 8) / width);
    kGetLanes[width - 1](bytes.data(), lanes, out.data());
    index = lanes * kLane;
  } else if (width <= 57 && bytes.size() >= 8) {
    // Whole-word loads as long as eight bytes lie ahead.
    const size_t last_start = bytes.size() - 8;
    const uint64_t mask = mask_of(width);
    for (size_t bit = 0; index < out.size() && (bit >> 3) <= last_start; ++index, bit += width) {
      uint64_t word;
      std::memcpy(&word, bytes.data() + (bit >> 3), 8);
      out[index] = (word >> (bit & 7)) & mask;
    }
  }
  for (; index < out.size(); ++index) out[index] = careful_get(bytes, index * width, width);
}

/// number = base + scale * number.
void unscale(std::span<uint64_t> numbers, uint64_t base, uint64_t scale) {
  if (scale == 1) {
    for (uint64_t& number : numbers) number += base;
  } else {
    for (uint64_t& number : numbers) number = base + scale * number;
  }
}

Error corrupt(const char* what) { return Error(ErrorCode::Corruption, what); }

void put_packed_width(std::span<const uint64_t> numbers, unsigned width, ColumnBytes& out) {
  put_u8(out.head, static_cast<uint8_t>(width));
  size_t patches = 0;
  if (width < 64)
    for (const uint64_t number : numbers) patches += (number >> width) != 0;
  put_varint(out.head, patches);
  size_t next = 0;
  for (size_t i = 0; patches != 0 && i < numbers.size(); ++i) {
    const uint64_t high = numbers[i] >> width;
    if (high == 0) continue;
    put_varint(out.head, i - next);
    put_varint(out.head, high);
    next = i + 1;
    --patches;
  }
  put_bits(numbers, width, out.body);
}

}  // namespace

void put_packed(std::span<const uint64_t> numbers, ColumnBytes& out) {
  put_packed_width(numbers, best_width(count_widths(numbers, 0), numbers.size()).bits, out);
}

Status get_packed(ColumnReader& in, std::span<uint64_t> out) {
  const unsigned width = in.head.u8();
  const uint64_t patches = in.head.varint();
  if (in.head.failed() || width > 64) return corrupt("packed numbers: bad width");
  if (patches > out.size()) return corrupt("packed numbers: more patches than numbers");
  const std::string_view bits = in.body.bytes(packed_bytes(out.size(), width));
  if (in.body.failed()) return corrupt("packed numbers: body too short");
  get_bits(bits, width, out);
  uint64_t next = 0;
  for (uint64_t i = 0; i < patches; ++i) {
    const uint64_t skip = in.head.varint();
    const uint64_t high = in.head.varint();
    if (in.head.failed() || width == 64 || skip >= out.size() - next)
      return corrupt("packed numbers: bad patch");
    next += skip;
    out[next++] |= high << width;
    if (next == out.size() && i + 1 < patches) return corrupt("packed numbers: bad patch");
  }
  return {};
}

struct IntegerEncoder::Plan {
  unsigned order = 0;
  uint64_t base = 0;
  uint64_t scale = 1;
  unsigned width = 0;
  uint64_t bytes = ~uint64_t{0};
};

namespace {

/// The greatest common divisor of all number - base; 1 when there is nothing to gain.
uint64_t common_factor(std::span<const uint64_t> numbers, uint64_t base) {
  uint64_t factor = 0;
  for (const uint64_t number : numbers) {
    const uint64_t residual = number - base;
    if (residual == 0 || (factor != 0 && residual % factor == 0)) continue;
    factor = std::gcd(factor, residual);
    if (factor == 1) return 1;
  }
  return factor == 0 ? 1 : factor;
}

}  // namespace

IntegerEncoder::Plan IntegerEncoder::plan(std::span<const uint64_t> numbers, unsigned order,
                                          uint64_t head_bytes) const {
  if (numbers.empty()) return {order, 0, 1, 0, head_bytes};
  Plan best;
  std::array<uint32_t, 65> counts;
  const auto consider = [&](uint64_t base) {
    counts.fill(0);
    for (const uint64_t number : numbers) ++counts[std::bit_width(number - base)];
    const Width width = best_width(counts, numbers.size());
    const uint64_t bytes =
        head_bytes + varint_size(zigzag(static_cast<int64_t>(base))) + width.bytes;
    if (bytes < best.bytes) best = {order, base, 1, width.bits, bytes};
  };
  int64_t least = static_cast<int64_t>(numbers[0]);
  for (const uint64_t number : numbers) least = std::min(least, static_cast<int64_t>(number));
  consider(static_cast<uint64_t>(least));
  // A counter reset is one far too small delta: seen from there nearly all others are equally far
  // away. The base is then the smallest of the usual ones and the reset becomes a patch.
  if (numbers.size() < 4 || best.width <= 2) return best;
  const uint32_t far = counts[best.width] + counts[best.width - 1];
  if (far * 10 < numbers.size() * 9) return best;
  sorted_.assign(numbers.begin(), numbers.end());
  const auto usual =
      sorted_.begin() + static_cast<std::ptrdiff_t>(std::max<size_t>(numbers.size() / 24, 1));
  std::nth_element(sorted_.begin(), usual, sorted_.end());
  if (*usual != least) consider(static_cast<uint64_t>(*usual));
  return best;
}

/// Takes a common factor out of the chosen plan.
void IntegerEncoder::scale_plan(std::span<const uint64_t> numbers, Plan& plan) const {
  if (plan.width < 2) return;
  const uint64_t scale = common_factor(numbers, plan.base);
  if (scale == 1) return;
  std::array<uint32_t, 65> counts{};
  for (const uint64_t number : numbers) ++counts[std::bit_width((number - plan.base) / scale)];
  const Width width = best_width(counts, numbers.size());
  const uint64_t unscaled = best_width(count_widths(numbers, plan.base), numbers.size()).bytes;
  if (width.bytes + varint_size(scale) >= unscaled) return;
  plan.scale = scale;
  plan.width = width.bits;
}

void IntegerEncoder::put(std::span<const int64_t> values, ColumnBytes& out) {
  series_[0].assign(values.begin(), values.end());
  for (unsigned order = 1; order <= 2; ++order) {
    const std::vector<uint64_t>& from = series_[order - 1];
    std::vector<uint64_t>& to = series_[order];
    to.resize(from.empty() ? 0 : from.size() - 1);
    for (size_t i = 0; i < to.size(); ++i) to[i] = from[i + 1] - from[i];
  }
  const auto zigzag_size = [](uint64_t value) {
    return varint_size(zigzag(static_cast<int64_t>(value)));
  };
  Plan best = plan(series_[0], 0, 1);
  uint64_t head_bytes = 1 + zigzag_size(series_[0][0]);
  if (const Plan delta = plan(series_[1], 1, head_bytes); delta.bytes < best.bytes) best = delta;
  // Second differences of noise are twice as wide: they only pay when the deltas themselves have a
  // trend.
  if (!series_[1].empty() && best.bytes > head_bytes + 8) {
    head_bytes += zigzag_size(series_[1][0]);
    if (const Plan second = plan(series_[2], 2, head_bytes); second.bytes < best.bytes)
      best = second;
  }
  std::vector<uint64_t>& residuals = series_[best.order];
  scale_plan(residuals, best);
  put_u8(out.head, static_cast<uint8_t>(best.order | (best.scale > 1 ? kScaled : 0)));
  if (best.order >= 1) put_zigzag(out.head, values[0]);
  if (best.order == 2) put_zigzag(out.head, static_cast<int64_t>(series_[1][0]));
  if (residuals.empty()) return;
  put_zigzag(out.head, static_cast<int64_t>(best.base));
  if (best.scale > 1) {
    put_varint(out.head, best.scale);
    for (uint64_t& number : residuals) number = (number - best.base) / best.scale;
  } else {
    for (uint64_t& number : residuals) number -= best.base;
  }
  put_packed_width(residuals, best.width, out);
}

Status get_integers(ColumnReader& in, std::span<int64_t> out) {
  const uint8_t flags = in.head.u8();
  const unsigned order = flags & kOrderMask;
  if (in.head.failed() || order > 2 || (flags & ~(kOrderMask | kScaled)) != 0)
    return corrupt("integers: unknown flags");
  if (out.size() < order) return corrupt("integers: order without values");
  const auto first = order >= 1 ? static_cast<uint64_t>(in.head.zigzag()) : 0;
  uint64_t delta = order == 2 ? static_cast<uint64_t>(in.head.zigzag()) : 0;
  // int64_t and uint64_t may alias each other: the residuals are unpacked where the values will
  // stand.
  auto* numbers = reinterpret_cast<uint64_t*>(out.data());
  const std::span<uint64_t> residuals(numbers + order, out.size() - order);
  uint64_t base = 0;
  uint64_t scale = 1;
  if (!residuals.empty()) {
    base = static_cast<uint64_t>(in.head.zigzag());
    if ((flags & kScaled) != 0) scale = in.head.varint();
    if (Status status = get_packed(in, residuals); !status) return status;
  } else if ((flags & kScaled) != 0) {
    return corrupt("integers: scale without residuals");
  }
  if (in.head.failed()) return corrupt("integers: head too short");
  unscale(residuals, base, scale);
  if (order == 0) return {};
  uint64_t sum = first;
  numbers[0] = first;
  if (order == 1) {
    for (uint64_t& number : residuals) number = sum += number;
    return {};
  }
  numbers[1] = sum += delta;
  for (uint64_t& number : residuals) {
    delta += number;
    number = sum += delta;
  }
  return {};
}

}  // namespace aerie::store
