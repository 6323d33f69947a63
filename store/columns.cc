#include "store/columns.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include <fmt/core.h>

#include "store/decimal.h"

namespace aerie::store {
namespace {

enum NumberTag : uint8_t {
  kRaw = 0,
  kStale = 1,
  kNan = 2,
  kPlusInf = 3,
  kMinusInf = 4,
  kMinusZero = 5,
  kDecimal = 16
};

constexpr size_t kLongestNumber = 9;
constexpr unsigned kMethodShift = 5;
constexpr unsigned kSurelyShort = 2;  // decimals that are never an accident
constexpr int64_t kExactIntegers = int64_t{1} << 53;

uint64_t bits_of(double value) { return std::bit_cast<uint64_t>(value); }

Error corrupt(std::string message) { return Error(ErrorCode::Corruption, std::move(message)); }

/// Order-preserving integers of doubles, and back: it is its own inverse.
int64_t order_bits(int64_t bits) {
  return bits ^ static_cast<int64_t>(static_cast<uint64_t>(bits >> 63) >> 1);
}

/// What no whole number stands for.
bool is_special(double value) { return !std::isfinite(value) || bits_of(value) == bits_of(-0.0); }

/// Each static_cast to double. Below 2^51 a number's bits stand at the end of the mantissa of
/// 1.5 * 2^52 + number: two operations that any vector unit has, where a conversion needs AVX-512.
void to_doubles(std::span<const int64_t> whole, std::span<double> out) {
  constexpr double kShift = 0x1.8p52;
  constexpr uint64_t kShiftBits = std::bit_cast<uint64_t>(kShift);
  uint64_t size = 0;
  for (const int64_t m : whole) size |= static_cast<uint64_t>(m ^ (m >> 63));
  if (size >> 51 != 0) {
    for (size_t i = 0; i < whole.size(); ++i) out[i] = static_cast<double>(whole[i]);
    return;
  }
  for (size_t i = 0; i < whole.size(); ++i)
    out[i] = std::bit_cast<double>(static_cast<uint64_t>(whole[i]) + kShiftBits) - kShift;
}

void put_kind(ColumnBytes& out, ColumnKind kind) { put_u8(out.head, static_cast<uint8_t>(kind)); }

void append(ColumnBytes& out, const ColumnBytes& part) {
  out.head += part.head;
  out.body += part.body;
}

}  // namespace

void put_number(std::string& out, double value) {
  const uint64_t bits = bits_of(value);
  if (bits == model::kStaleNanBits) return put_u8(out, kStale);
  if (bits == model::kNormalNanBits) return put_u8(out, kNan);
  if (value == HUGE_VAL) return put_u8(out, kPlusInf);
  if (value == -HUGE_VAL) return put_u8(out, kMinusInf);
  if (bits == bits_of(-0.0)) return put_u8(out, kMinusZero);
  int64_t digits = 0;
  for (unsigned decimals = 0; decimals <= kMaxDecimals; ++decimals) {
    if (!to_decimal(value, decimals, digits)) continue;
    if (1 + varint_size(zigzag(digits)) >= kLongestNumber) break;
    put_u8(out, static_cast<uint8_t>(kDecimal + decimals));
    return put_zigzag(out, digits);
  }
  put_u8(out, kRaw);
  put_u64(out, bits);
}

double get_number(ByteReader& in) {
  const uint8_t tag = in.u8();
  switch (tag) {
    case kRaw: return std::bit_cast<double>(in.u64());
    case kStale: return model::stale_marker();
    case kNan: return model::normal_nan();
    case kPlusInf: return HUGE_VAL;
    case kMinusInf: return -HUGE_VAL;
    case kMinusZero: return -0.0;
    default: break;
  }
  if (tag < kDecimal || tag > kDecimal + kMaxDecimals) {
    in.fail();
    return 0;
  }
  const unsigned decimals = tag - kDecimal;
  const int64_t digits = in.zigzag();
  return decimals == 0 ? static_cast<double>(digits)
                       : from_decimal<DecimalMethod::Divide>(digits, decimals);
}

// ---- encoding

/// Fills whole_ and exceptions_ if all values come from whole numbers with the method and at least
/// `decimals` decimals.
template <DecimalMethod kMethod>
bool FloatEncoder::find_decimals(std::span<const double> values, unsigned& decimals,
                                 unsigned most) {
  size_t exceptions = 0;
  size_t first_real = values.size();
  int64_t last = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (to_decimal<kMethod>(values[i], decimals, last)) {
      whole_[i] = last;
      if (first_real == values.size()) first_real = i;
      continue;
    }
    if (is_special(values[i])) {
      // Cheaper as an exception than as a reason to give up, as long as it stays an exception.
      if (++exceptions > values.size() / 8 + 1) return false;
      whole_[i] = last;
      continue;
    }
    const unsigned before = decimals;
    do {
      if (++decimals > most) return false;
    } while (!(decimals == 0 || valid_decimals(kMethod, decimals)) ||
             !to_decimal<kMethod>(values[i], decimals, last));
    if (kMethod != DecimalMethod::Divide && first_real != values.size())
      return find_decimals<kMethod>(values, decimals, most);
    whole_[i] = last;
    if (first_real == values.size()) first_real = i;
    // The numbers so far keep their doubles with more digits: d / 10^e and 10 d / 10^(e + 1) round
    // alike.
    const auto factor = static_cast<int64_t>(kPowersOfTen[decimals - before]);
    for (size_t k = first_real; k < i; ++k) {
      if (__builtin_mul_overflow(whole_[k], factor, &whole_[k])) return false;
      if (whole_[k] > kExactIntegers || whole_[k] < -kExactIntegers) return false;
    }
  }
  if (first_real == values.size()) return false;
  std::fill_n(whole_.begin(), first_real,
              whole_[first_real]);  // leading exceptions take the first real number
  return true;
}

void FloatEncoder::find_exceptions(std::span<const double> values) {
  exceptions_.clear();
  for (size_t i = 0; i < values.size(); ++i)
    if (is_special(values[i])) exceptions_.push_back(i);
}

bool FloatEncoder::put_decimals(std::span<const double> values, ColumnBytes& out) {
  whole_.resize(values.size());
  DecimalMethod method = DecimalMethod::Divide;
  unsigned decimals = 0;
  bool found = find_decimals<DecimalMethod::Divide>(values, decimals, kMaxDecimals);
  // Sixteen digits name almost any double: a long decimal may really be a short number computed in
  // another way.
  const auto improve = [&]<DecimalMethod kMethod>(unsigned least) {
    const unsigned most = found ? decimals - 1 : kMaxDecimals;
    if (least > most) return;
    std::swap(whole_, better_);
    whole_.resize(values.size());
    unsigned other = least;
    if (find_decimals<kMethod>(values, other, most)) {
      method = kMethod;
      decimals = other;
      found = true;
    } else {
      std::swap(whole_, better_);
    }
  };
  if (!found || decimals > kSurelyShort) {
    improve.operator()<DecimalMethod::Multiply>(1);
    improve.operator()<DecimalMethod::DivideTwice>(4);
    improve.operator()<DecimalMethod::Seconds>(9);
  }
  if (!found) return false;
  find_exceptions(values);
  put_kind(out, decimals == 0 ? ColumnKind::Integers : ColumnKind::Decimals);
  if (decimals != 0)
    put_u8(out.head,
           static_cast<uint8_t>(static_cast<unsigned>(method) << kMethodShift | decimals));
  put_varint(out.head, exceptions_.size());
  size_t next = 0;
  for (const size_t row : exceptions_) {
    put_varint(out.head, row - next);
    put_number(out.head, values[row]);
    next = row + 1;
  }
  integers_.put(whole_, out);
  return true;
}

void FloatEncoder::put_ordered_bits(std::span<const double> values, ColumnBytes& out) {
  whole_.resize(values.size());
  for (size_t i = 0; i < values.size(); ++i)
    whole_[i] = order_bits(std::bit_cast<int64_t>(values[i]));
  put_kind(out, ColumnKind::OrderedBits);
  integers_.put(whole_, out);
}

void FloatEncoder::put_xor(std::span<const double> values, ColumnBytes& out) {
  bits_.resize(values.size() - 1);
  uint64_t any = 0;
  for (size_t i = 0; i < bits_.size(); ++i)
    any |= bits_[i] = bits_of(values[i + 1]) ^ bits_of(values[i]);
  const unsigned leading = static_cast<unsigned>(std::countl_zero(any));
  const unsigned trailing = any == 0 ? 0 : static_cast<unsigned>(std::countr_zero(any));
  put_kind(out, ColumnKind::Xor);
  put_u8(out.head, static_cast<uint8_t>(leading));
  put_u8(out.head, static_cast<uint8_t>(trailing));
  put_u64(out.head, bits_of(values[0]));
  for (uint64_t& bits : bits_) bits >>= trailing;
  put_packed(bits_, out);
}

void FloatEncoder::put_flat(std::span<const double> values, ColumnBytes& out) {
  const uint64_t first = bits_of(values[0]);
  if (std::all_of(values.begin(), values.end(),
                  [=](double value) { return bits_of(value) == first; })) {
    put_kind(out, ColumnKind::Constant);
    return put_number(out.head, values[0]);
  }
  flat_.clear();
  bool cheap = false;
  if (put_decimals(values, flat_)) {
    // Below 3 bytes a value nothing else comes near.
    cheap = flat_.size() < 3 * values.size();
  } else {
    flat_.clear();
    put_kind(flat_, ColumnKind::Raw);
    flat_.body.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  }
  if (!cheap) {
    other_.clear();
    put_ordered_bits(values, other_);
    if (other_.size() < flat_.size()) std::swap(other_, flat_);
    // Neighbours in value have few ordered bits between them; xor only wins where signs and
    // exponents jump about.
    if (flat_.size() > 6 * values.size()) {
      other_.clear();
      put_xor(values, other_);
      if (other_.size() < flat_.size()) std::swap(other_, flat_);
    }
  }
  append(out, flat_);
}

void FloatEncoder::put_changes(std::span<const double> values, size_t changes, ColumnBytes& out) {
  distinct_.clear();
  distinct_.reserve(changes + 1);
  std::vector<int64_t> lengths;
  std::string mask((values.size() - 1 + 7) / 8, '\0');
  distinct_.push_back(values[0]);
  int64_t length = 1;
  for (size_t i = 1; i < values.size(); ++i, ++length) {
    if (bits_of(values[i]) == bits_of(values[i - 1])) continue;
    distinct_.push_back(values[i]);
    mask[(i - 1) / 8] = static_cast<char>(mask[(i - 1) / 8] | (1 << ((i - 1) % 8)));
    lengths.push_back(length);
    length = 0;
  }
  ColumnBytes runs;
  put_kind(runs, ColumnKind::Runs);
  put_varint(runs.head, distinct_.size());
  if (!lengths.empty()) integers_.put(lengths, runs);
  if (runs.size() <= mask.size() + 2) {
    append(out, runs);
  } else {
    put_kind(out, ColumnKind::ChangeMask);
    put_varint(out.head, distinct_.size());
    out.body += mask;
  }
  put_flat(distinct_, out);
}

void FloatEncoder::put(std::span<const double> values, ColumnBytes& out) {
  size_t changes = 0;
  for (size_t i = 1; i < values.size(); ++i)
    changes += bits_of(values[i]) != bits_of(values[i - 1]);
  // With few repetitions runs and masks cannot win, with few changes nothing else can; in between
  // both are tried.
  if (changes == 0 || changes * 8 > values.size() * 7) return put_flat(values, out);
  if (changes * 4 < values.size()) return put_changes(values, changes, out);
  changed_.clear();
  put_changes(values, changes, changed_);
  const size_t head = out.head.size();
  const size_t body = out.body.size();
  put_flat(values, out);
  if (out.head.size() - head + out.body.size() - body <= changed_.size()) return;
  out.head.resize(head);
  out.body.resize(body);
  append(out, changed_);
}

// ---- decoding

Status FloatDecoder::get_decimals(bool scaled, ColumnReader& in, std::span<double> out) {
  const unsigned code = scaled ? in.head.u8() : 0;
  const auto method = static_cast<DecimalMethod>(code >> kMethodShift);
  const unsigned decimals = code & ((1u << kMethodShift) - 1);
  if (scaled && !valid_decimals(method, decimals))
    return corrupt(fmt::format("unknown decimal code {:#04x}", code));
  const uint64_t count = in.head.varint();
  if (count > out.size()) return corrupt("integer column: more exceptions than rows");
  ByteReader exceptions = in.head;  // their values are put in place at the end
  uint64_t rows = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t skip = in.head.varint();
    if (skip >= out.size() - rows) return corrupt("integer column: bad exception");
    rows += skip + 1;
    get_number(in.head);
    if (in.head.failed()) return corrupt("integer column: bad exception");
  }
  whole_.resize(out.size());
  if (Status status = get_integers(in, whole_); !status) return status;
  const auto convert = [&](auto&& from) {
    for (size_t i = 0; i < out.size(); ++i) out[i] = from(whole_[i]);
  };
  if (!scaled) {
    to_doubles(whole_, out);
  } else if (method == DecimalMethod::Divide) {
    to_doubles(whole_, out);
    const double divisor = kPowersOfTen[decimals];
    for (double& value : out) value /= divisor;
  } else if (method == DecimalMethod::Multiply) {
    to_doubles(whole_, out);
    const double tenth = kTenths[decimals];
    for (double& value : out) value *= tenth;
  } else if (method == DecimalMethod::DivideTwice) {
    convert([=](int64_t m) { return from_decimal<DecimalMethod::DivideTwice>(m, decimals); });
  } else {
    convert([=](int64_t m) { return from_decimal<DecimalMethod::Seconds>(m, decimals); });
  }
  for (uint64_t i = 0, row = 0; i < count; ++i, ++row) {
    row += exceptions.varint();
    out[row] = get_number(exceptions);
  }
  return {};
}

Status FloatDecoder::get_flat(uint8_t kind, ColumnReader& in, std::span<double> out) {
  switch (static_cast<ColumnKind>(kind)) {
    case ColumnKind::Constant: {
      std::fill(out.begin(), out.end(), get_number(in.head));
      if (in.head.failed()) return corrupt("constant column: bad number");
      return {};
    }
    case ColumnKind::Integers:
    case ColumnKind::Decimals:
      return get_decimals(static_cast<ColumnKind>(kind) == ColumnKind::Decimals, in, out);
    case ColumnKind::OrderedBits: {
      whole_.resize(out.size());
      if (Status status = get_integers(in, whole_); !status) return status;
      for (size_t i = 0; i < out.size(); ++i) out[i] = std::bit_cast<double>(order_bits(whole_[i]));
      return {};
    }
    case ColumnKind::Xor: {
      const unsigned leading = in.head.u8();
      const unsigned trailing = in.head.u8();
      uint64_t bits = in.head.u64();
      if (in.head.failed() || leading + trailing > 64 || trailing > 63)
        return corrupt("xor column: bad head");
      out[0] = std::bit_cast<double>(bits);
      whole_.resize(out.size() - 1);
      const std::span<uint64_t> changes(reinterpret_cast<uint64_t*>(whole_.data()), whole_.size());
      if (Status status = get_packed(in, changes); !status) return status;
      for (size_t i = 0; i < changes.size(); ++i) {
        bits ^= changes[i] << trailing;
        out[i + 1] = std::bit_cast<double>(bits);
      }
      return {};
    }
    case ColumnKind::Raw: {
      const std::string_view raw = in.body.bytes(out.size_bytes());
      if (in.body.failed()) return corrupt("raw column: body too short");
      std::memcpy(out.data(), raw.data(), raw.size());
      return {};
    }
    default: return corrupt(fmt::format("unknown column kind {}", kind));
  }
}

std::optional<double> constant_of(std::string_view head) {
  ByteReader in(head);
  if (in.u8() != static_cast<uint8_t>(ColumnKind::Constant)) return std::nullopt;
  const double value = get_number(in);
  return in.failed() ? std::nullopt : std::optional(value);
}

Status FloatDecoder::get_runs(ColumnReader& in, std::span<double> out) {
  const uint64_t count = in.head.varint();
  if (in.head.failed() || count == 0 || count > out.size())
    return corrupt("runs column: bad number of runs");
  std::vector<int64_t> lengths(count - 1);
  if (!lengths.empty())
    if (Status status = get_integers(in, lengths); !status) return status;
  distinct_.resize(count);
  if (Status status = get_flat(in.head.u8(), in, distinct_); !status) return status;
  size_t row = 0;
  for (size_t run = 0; run < lengths.size(); ++run) {
    if (lengths[run] < 1 || static_cast<uint64_t>(lengths[run]) >= out.size() - row)
      return corrupt("runs column: bad run length");
    std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(row), lengths[run], distinct_[run]);
    row += static_cast<size_t>(lengths[run]);
  }
  std::fill(out.begin() + static_cast<std::ptrdiff_t>(row), out.end(), distinct_.back());
  return {};
}

Status FloatDecoder::get_changes(ColumnReader& in, std::span<double> out) {
  const uint64_t count = in.head.varint();
  const std::string_view mask = in.body.bytes((out.size() - 1 + 7) / 8);
  if (in.head.failed() || in.body.failed() || count == 0 || count > out.size())
    return corrupt("change mask column: bad head");
  distinct_.resize(count);
  if (Status status = get_flat(in.head.u8(), in, distinct_); !status) return status;
  size_t at = 0;
  out[0] = distinct_[0];
  for (size_t i = 1; i < out.size(); ++i) {
    at += (static_cast<uint8_t>(mask[(i - 1) / 8]) >> ((i - 1) % 8)) & 1;
    if (at >= count) return corrupt("change mask column: more changes than values");
    out[i] = distinct_[at];
  }
  return {};
}

Status FloatDecoder::get(ColumnReader& in, std::span<double> out) {
  uint8_t kind = in.head.u8();
  if (static_cast<ColumnKind>(kind) == ColumnKind::BucketChain) kind = in.head.u8();
  if (in.head.failed()) return corrupt("column without a head");
  if (static_cast<ColumnKind>(kind) == ColumnKind::Runs) return get_runs(in, out);
  if (static_cast<ColumnKind>(kind) == ColumnKind::ChangeMask) return get_changes(in, out);
  return get_flat(kind, in, out);
}

}  // namespace aerie::store
