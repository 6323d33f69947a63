#include "tests/store/support/columns.h"

#include <bit>
#include <cmath>
#include <cstring>

#include <fmt/core.h>

namespace aerie::store::testing {
namespace {

using Values = std::vector<double>;

double any_bits(Random& random) { return std::bit_cast<double>(random()); }

Values constant(Random& random, size_t rows) {
  const double choices[] = {
      0, 1, -0.0, 4096, 0.1, HUGE_VAL, -HUGE_VAL, model::stale_marker(), any_bits(random)};
  return Values(rows, choices[random() % std::size(choices)]);
}

Values counter(Random& random, size_t rows) {
  Values out(rows);
  double value = static_cast<double>(random() % 1'000'000'000);
  const uint64_t rate = 1 + random() % 10'000;
  for (double& one : out) {
    if (random() % 100 == 0) value = 0;
    one = value;
    value += static_cast<double>(random() % rate);
  }
  return out;
}

Values steady_counter(Random& random, size_t rows) {
  Values out(rows);
  const double step = static_cast<double>(random() % 100'000);
  for (size_t i = 0; i < rows; ++i) out[i] = 17 + step * static_cast<double>(i);
  return out;
}

Values memory_gauge(Random& random, size_t rows) {
  Values out(rows);
  for (double& one : out) one = 4096.0 * static_cast<double>(1'000'000 + random() % 5'000);
  return out;
}

Values hundredths(Random& random, size_t rows) {
  Values out(rows);
  int64_t hundredth = static_cast<int64_t>(random() % 100'000'000);
  for (double& one : out)
    one = static_cast<double>(hundredth += static_cast<int64_t>(random() % 1'500)) / 100;
  return out;
}

Values nanoseconds(Random& random, size_t rows) {
  Values out(rows);
  int64_t nanosecond = static_cast<int64_t>(random() % 1'000'000'000'000);
  for (double& one : out)
    one = static_cast<double>(nanosecond += static_cast<int64_t>(random() % 1'500'000'000)) / 1e9;
  return out;
}

Values milliseconds_multiplied(Random& random, size_t rows) {
  Values out(rows);
  int64_t millisecond = static_cast<int64_t>(random() % 1'000'000'000);
  for (double& one : out)
    one = static_cast<double>(millisecond += static_cast<int64_t>(random() % 15'000)) * 0.001;
  return out;
}

Values microseconds_divided_twice(Random& random, size_t rows) {
  Values out(rows);
  int64_t microsecond = static_cast<int64_t>(random() % 1'000'000'000'000);
  for (double& one : out)
    one = static_cast<double>(microsecond += static_cast<int64_t>(random() % 9'000)) / 1e3 / 1e3;
  return out;
}

Values go_durations(Random& random, size_t rows) {
  Values out(rows);
  for (double& one : out) {
    const auto nanoseconds = static_cast<int64_t>(random() % 90'000'000'000);
    one = static_cast<double>(nanoseconds / 1'000'000'000) +
          static_cast<double>(nanoseconds % 1'000'000'000) / 1e9;
  }
  return out;
}

Values full_sums(Random& random, size_t rows) {
  Values out(rows);
  std::exponential_distribution<double> step(3);
  double sum = 0;
  for (double& one : out) one = sum += step(random);
  return out;
}

Values rare_changes(Random& random, size_t rows) {
  Values out(rows);
  double value = any_bits(random);
  for (double& one : out) one = random() % 30 == 0 ? value = any_bits(random) : value;
  return out;
}

Values half_changes(Random& random, size_t rows) {
  Values out(rows);
  std::normal_distribution<double> noise(5, 3);
  double value = 1;
  for (double& one : out) one = random() % 2 == 0 ? value = noise(random) : value;
  return out;
}

Values specials(Random& random, size_t rows) {
  const double choices[] = {0.0,
                            -0.0,
                            HUGE_VAL,
                            -HUGE_VAL,
                            model::stale_marker(),
                            model::normal_nan(),
                            std::bit_cast<double>(uint64_t{0x7ff0000000000001}),
                            std::bit_cast<double>(uint64_t{0xfff8000000000000}),
                            std::bit_cast<double>(uint64_t{0xffffffffffffffff}),
                            5e-324,
                            1.7976931348623157e308,
                            9007199254740993.0,
                            9223372036854775807.0,
                            -9223372036854775808.0,
                            4611686018427387904.0,
                            1e22,
                            0.1};
  Values out(rows);
  for (double& one : out) one = choices[random() % std::size(choices)];
  return out;
}

Values counter_with_specials(Random& random, size_t rows) {
  Values out = counter(random, rows);
  const Values strange = specials(random, rows);
  for (size_t i = 0; i < rows; ++i)
    if (random() % 20 == 0) out[i] = strange[i];
  if (random() % 2 == 0) out.back() = model::stale_marker();
  if (random() % 2 == 0) out.front() = model::stale_marker();
  return out;
}

Values noise(Random& random, size_t rows) {
  Values out(rows);
  for (double& one : out) one = any_bits(random);
  return out;
}

Values huge_integers(Random& random, size_t rows) {
  Values out(rows);
  for (double& one : out) one = static_cast<double>(static_cast<int64_t>(random()));
  return out;
}

constexpr ValueShape kShapes[] = {{"constant", constant},
                                  {"counter with resets", counter},
                                  {"steady counter", steady_counter},
                                  {"memory gauge", memory_gauge},
                                  {"hundredths", hundredths},
                                  {"nanoseconds", nanoseconds},
                                  {"milliseconds multiplied", milliseconds_multiplied},
                                  {"microseconds divided twice", microseconds_divided_twice},
                                  {"go durations", go_durations},
                                  {"full sums", full_sums},
                                  {"rare changes", rare_changes},
                                  {"half changes", half_changes},
                                  {"specials", specials},
                                  {"counter with specials", counter_with_specials},
                                  {"noise", noise},
                                  {"huge integers", huge_integers}};

}  // namespace

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes)
    out += fmt::format("{}{:02x}", out.empty() ? "" : " ", static_cast<uint8_t>(byte));
  return out;
}

std::string from_hex(std::string_view text) {
  std::string out;
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] == ' ') continue;
    out.push_back(static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
    ++i;
  }
  return out;
}

ColumnBytes encode(std::span<const double> values) {
  ColumnBytes column;
  FloatEncoder().put(values, column);
  return column;
}

Result<std::vector<double>> decode(const ColumnBytes& column, size_t rows) {
  std::vector<double> values(rows);
  ColumnReader in{ByteReader(column.head), ByteReader(column.body)};
  if (Status status = FloatDecoder().get(in, values); !status) return std::move(status).error();
  if (!in.head.at_end() || !in.body.at_end())
    return Error(ErrorCode::Corruption, "bytes left over");
  return values;
}

bool same_bits(std::span<const double> a, std::span<const double> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

std::span<const ValueShape> value_shapes() { return kShapes; }

model::NativeHistogram random_histogram(Random& random) {
  model::NativeHistogram h;
  const bool custom = random() % 3 == 0;
  h.schema = custom ? model::kCustomBucketsSchema : static_cast<int32_t>(random() % 13) - 4;
  h.reset_hint = static_cast<model::ResetHint>(random() % 4);
  h.is_float = random() % 2 == 0;
  const auto number = [&] {
    return h.is_float ? static_cast<double>(random() % 1000) / 3
                      : static_cast<double>(random() % 100'000);
  };
  h.zero_threshold = 2.938735877055719e-39;
  h.zero_count = number();
  h.count = number();
  h.sum = random() % 5 == 0 ? model::stale_marker() : static_cast<double>(random() % 1000) / 7;
  const auto fill = [&](std::vector<model::BucketSpan>& spans, std::vector<double>& buckets) {
    for (uint64_t i = random() % 4; i > 0; --i) {
      spans.push_back(
          {static_cast<int32_t>(random() % 9) - 4, static_cast<uint32_t>(random() % 5)});
      for (uint32_t k = 0; k < spans.back().length; ++k) buckets.push_back(number());
    }
  };
  fill(h.positive_spans, h.positive_buckets);
  if (!custom) fill(h.negative_spans, h.negative_buckets);
  if (custom) h.custom_values = {0.005, 0.1, 1, 2.5};
  return h;
}

}  // namespace aerie::store::testing
