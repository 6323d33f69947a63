#pragma once

#include <bit>
#include <cstdint>

namespace aerie::store {

/// Doubles that a program computed from a whole number, in the ways that exporters do it. Decoding
/// repeats the same IEEE operations, so it gives the same double. (ALP, Afroozeh et al., SIGMOD
/// 2023, knows one way and patches the rest.) The numbers are in the files:
/// docs/formats/columns.md.
enum class DecimalMethod : uint8_t {
  Divide = 0,       ///< m / 10^e: what parsing decimal text gives too
  Multiply = 1,     ///< m * 10^-e: node_exporter's disk times
  DivideTwice = 2,  ///< m / 10^(e - 3) / 1000: node_exporter's pressure times
  Seconds = 3,      ///< whole seconds + nanoseconds / 10^9, e = 9: Go's Duration.Seconds()
};
inline constexpr unsigned kDecimalMethods = 4;

inline constexpr unsigned kMaxDecimals = 18;
inline constexpr double kPowersOfTen[kMaxDecimals + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,
                                                          1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13,
                                                          1e14, 1e15, 1e16, 1e17, 1e18};
inline constexpr double kTenths[kMaxDecimals + 1] = {
    1e0,   1e-1,  1e-2,  1e-3,  1e-4,  1e-5,  1e-6,  1e-7,  1e-8, 1e-9,
    1e-10, 1e-11, 1e-12, 1e-13, 1e-14, 1e-15, 1e-16, 1e-17, 1e-18};

/// Which exponents a method has.
constexpr bool valid_decimals(DecimalMethod method, unsigned decimals) {
  switch (method) {
    case DecimalMethod::Divide:
    case DecimalMethod::Multiply: return decimals >= 1 && decimals <= kMaxDecimals;
    case DecimalMethod::DivideTwice: return decimals >= 4 && decimals <= kMaxDecimals;
    case DecimalMethod::Seconds: return decimals == 9;
  }
  return false;
}

template <DecimalMethod kMethod>
inline double from_decimal(int64_t digits, unsigned decimals) {
  if constexpr (kMethod == DecimalMethod::Divide) {
    return static_cast<double>(digits) / kPowersOfTen[decimals];
  } else if constexpr (kMethod == DecimalMethod::Multiply) {
    return static_cast<double>(digits) * kTenths[decimals];
  } else if constexpr (kMethod == DecimalMethod::DivideTwice) {
    return static_cast<double>(digits) / kPowersOfTen[decimals - 3] / 1e3;
  } else {
    constexpr int64_t kSecond = 1'000'000'000;
    return static_cast<double>(digits / kSecond) + static_cast<double>(digits % kSecond) / 1e9;
  }
}

/// True and `digits` set when from_decimal() gives back `value`, all 64 bits.
template <DecimalMethod kMethod = DecimalMethod::Divide>
inline bool to_decimal(double value, unsigned decimals, int64_t& digits) {
  const double scaled = value * kPowersOfTen[decimals];
  // Beyond 2^53 only whole doubles are worth trying; NaN fails both comparisons.
  const double limit = decimals == 0 ? 0x1p62 : 0x1p53;
  if (!(scaled <= limit && scaled >= -limit)) return false;
  // Rounds to nearest without a call into libm; what it gets wrong fails the comparison below.
  const double half = scaled < 0 ? -0.5 : 0.5;
  digits = static_cast<int64_t>(scaled >= 0x1p52 || scaled <= -0x1p52 ? scaled : scaled + half);
  const double back =
      decimals == 0 ? static_cast<double>(digits) : from_decimal<kMethod>(digits, decimals);
  return std::bit_cast<uint64_t>(back) == std::bit_cast<uint64_t>(value);
}

}  // namespace aerie::store
