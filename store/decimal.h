#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace aerie::store {

/// Doubles that are whole numbers divided by a power of ten. Decoding is one IEEE division, which
/// is correctly rounded: it gives the same double as parsing the decimal text. (ALP, Afroozeh et
/// al., SIGMOD 2023, multiplies instead and needs exceptions.)
inline constexpr unsigned kMaxDecimals = 18;
inline constexpr double kPowersOfTen[kMaxDecimals + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,
                                                          1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13,
                                                          1e14, 1e15, 1e16, 1e17, 1e18};

inline double from_decimal(int64_t digits, unsigned decimals) {
  return static_cast<double>(digits) / kPowersOfTen[decimals];
}

/// True and `digits` set when from_decimal() gives back `value`, all 64 bits.
inline bool to_decimal(double value, unsigned decimals, int64_t& digits) {
  const double scaled = value * kPowersOfTen[decimals];
  // Beyond 2^53 only whole doubles are worth trying; NaN fails both comparisons.
  const double limit = decimals == 0 ? 0x1p62 : 0x1p53;
  if (!(scaled <= limit && scaled >= -limit)) return false;
  digits = std::llrint(scaled);
  return std::bit_cast<uint64_t>(from_decimal(digits, decimals)) == std::bit_cast<uint64_t>(value);
}

}  // namespace aerie::store
