#include <benchmark/benchmark.h>

#include <random>

#include "store/columns.h"

namespace {

using aerie::store::ByteReader;
using aerie::store::ColumnBytes;
using aerie::store::ColumnReader;
using aerie::store::FloatDecoder;
using aerie::store::FloatEncoder;

/// A counter whose steps are spread over `bits` bits, in units of `unit`.
std::vector<double> counter(size_t rows, unsigned bits, double divisor) {
  std::mt19937_64 random(bits * 1000 + rows);
  std::vector<double> values(rows);
  int64_t whole = 1'000'000;
  for (double& value : values) {
    whole += static_cast<int64_t>(random() >> (64 - bits));
    value = static_cast<double>(whole) / divisor;
  }
  return values;
}

void decode(benchmark::State& state, const std::vector<double>& values) {
  ColumnBytes column;
  FloatEncoder().put(values, column);
  FloatDecoder decoder;
  std::vector<double> out(values.size());
  for (auto _ : state) {
    ColumnReader reader{ByteReader(column.head), ByteReader(column.body)};
    if (!decoder.get(reader, out).ok()) state.SkipWithError("does not decode");
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(static_cast<int64_t>(values.size()) * state.iterations());
  state.counters["bits"] =
      static_cast<double>(column.size() * 8) / static_cast<double>(values.size());
}

/// Arguments: rows, bits of a step.
void decode_integers(benchmark::State& state) {
  decode(state,
         counter(static_cast<size_t>(state.range(0)), static_cast<unsigned>(state.range(1)), 1));
}
BENCHMARK(decode_integers)->ArgsProduct({{120, 480, 5760}, {4, 6, 8, 12, 16, 20}});

void decode_decimals(benchmark::State& state) {
  decode(state,
         counter(static_cast<size_t>(state.range(0)), static_cast<unsigned>(state.range(1)), 100));
}
BENCHMARK(decode_decimals)->ArgsProduct({{480, 5760}, {4, 12, 20}});

/// A value that changes at every fifth scrape.
void decode_changes(benchmark::State& state) {
  std::mt19937_64 random(7);
  std::vector<double> values(static_cast<size_t>(state.range(0)), 3);
  for (size_t i = 1; i < values.size(); ++i)
    values[i] =
        random() % 5 == 0 ? values[i - 1] + static_cast<double>(random() % 100) : values[i - 1];
  decode(state, values);
}
BENCHMARK(decode_changes)->Arg(480)->Arg(5760);

void decode_constant(benchmark::State& state) {
  decode(state, std::vector<double>(static_cast<size_t>(state.range(0)), 42));
}
BENCHMARK(decode_constant)->Arg(480)->Arg(5760);

/// What a reader does with a constant: the same time for any number of rows.
void value_of_constant(benchmark::State& state) {
  ColumnBytes column;
  FloatEncoder().put(std::vector<double>(static_cast<size_t>(state.range(0)), 42), column);
  for (auto _ : state) benchmark::DoNotOptimize(aerie::store::constant_of(column.head));
}
BENCHMARK(value_of_constant)->Arg(480)->Arg(5760);

}  // namespace
