#include "store/start_times.h"

#include <catch2/catch.hpp>

#include "tests/store/support/columns.h"
#include "tests/store/support/stores.h"

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;
using Times = std::vector<model::TimestampMs>;

namespace {

std::string runs(model::TimestampMs arrived, const Times& starts) {
  std::string out;
  put_start_runs(out, arrived, starts);
  return out;
}

ColumnBytes column(const Times& times, const Times& starts) {
  IntegerEncoder encoder;
  ColumnBytes out;
  put_start_column(encoder, times, starts, out);
  return out;
}

Result<Times> decode_column(const ColumnBytes& bytes, const Times& times) {
  ColumnReader reader{ByteReader(bytes.head), ByteReader(bytes.body)};
  Times out;
  if (Status status = get_start_column(reader, times, out); !status)
    return std::move(status).error();
  if (!reader.head.at_end() || !reader.body.at_end())
    return Error(ErrorCode::Corruption, "bytes are left over");
  return out;
}

/// `t: start` of everything in the store, floats and then histograms.
std::vector<std::string> starts_in(StoreFixture& fixture) {
  const auto selection = must(fixture.store().select({}, {}));
  std::vector<std::string> out;
  model::SeriesSamples samples;
  for (size_t i = 0; i < selection->size(); ++i) {
    must(selection->read(i, {}, samples));
    for (size_t k = 0; k < samples.values.size(); ++k)
      out.push_back(std::to_string(samples.timestamps[k] - kNow) + ": " +
                    std::to_string(samples.start_of(k)));
    for (const model::HistogramSample& sample : samples.histograms)
      out.push_back("h" + std::to_string(sample.t - kNow) + ": " + std::to_string(sample.start));
  }
  return out;
}

std::shared_ptr<model::NativeHistogram> histogram(double count, model::ResetHint hint) {
  auto out = std::make_shared<model::NativeHistogram>();
  out->reset_hint = hint;
  out->count = count;
  out->positive_spans = {{0, 1}};
  out->positive_buckets = {count};
  return out;
}

/// U, N, G or Y for each histogram of the only series.
std::string hints_in(StoreFixture& fixture) {
  const auto selection = must(fixture.store().select({}, {}));
  REQUIRE(selection->size() == 1);
  model::SeriesSamples samples;
  must(selection->read(0, {}, samples));
  std::string out;
  for (const model::HistogramSample& sample : samples.histograms)
    out += "UYNG"[static_cast<size_t>(sample.histogram->reset_hint)];
  return out;
}

}  // namespace

TEST_CASE("golden bytes of start timestamps") {
  CHECK(hex(runs(1000, {900, 900, 900, 0})) == "03 c7 01 01 87 0e");
  const ColumnBytes cumulative = column({1000, 2000, 3000}, {900, 900, 900});
  CHECK(hex(cumulative.head) == "31 00 00 88 0e 00 00");
  CHECK(cumulative.body.empty());
  const ColumnBytes delta = column({1000, 2000, 3000}, {0, 1000, 2000});
  CHECK(hex(delta.head) == "31 03 01 00 00 d0 0f 00 00");
  CHECK(delta.body.empty());
}

TEST_CASE("random start timestamps come back, whatever they are") {
  const uint64_t seed = test_seed();
  CAPTURE(seed);
  Random random(seed);
  for (int round = 0; round < 300; ++round) {
    Times times;
    Times starts;
    const auto shape = random() % 4;
    auto t = static_cast<int64_t>(random() >> 1) - (int64_t{1} << 62);
    for (size_t i = random() % 200 + 1; i > 0; --i) {
      times.push_back(t);
      if (random() % 16 == 0) {
        starts.push_back(0);
      } else if (shape == 0) {
        starts.push_back(static_cast<int64_t>(random()) >> (random() % 64));
      } else if (shape == 1) {
        starts.push_back(t - 15'000);
      } else {
        starts.push_back(random() % 20 == 0 || starts.empty() ? t - 1 : starts.back());
      }
      t += static_cast<int64_t>(random() % 30'000 + 1);
    }
    std::string bytes = runs(times[0], starts);
    ByteReader reader(bytes);
    Times back;
    get_start_runs(reader, times[0], starts.size(), back);
    REQUIRE(!reader.failed());
    REQUIRE(back == starts);
    if (std::all_of(starts.begin(), starts.end(), [](auto one) { return one == 0; })) continue;
    REQUIRE(must(decode_column(column(times, starts), times)) == starts);
  }
}

TEST_CASE("damaged start timestamps are refused") {
  const Times times{1000, 2000, 3000};
  const auto refused = [&](const std::string& head) {
    return !decode_column({from_hex(head), ""}, times);
  };
  CHECK(refused("32 00 00 88 0e 00 00"));        // another kind
  CHECK(refused("31 04 00 88 0e 00 00"));        // an unknown flag
  CHECK(refused("31 02 04 00 00 88 0e 00 00"));  // more unset than there are
  CHECK(refused("31 02 01 03 00 88 0e 00 00"));  // behind the last row
  CHECK(refused("31 00 00 88"));
  const std::string bytes = from_hex("03 c7 01 01 87 0e");
  for (const size_t rows : {3, 5}) {
    ByteReader reader(bytes);
    Times back;
    get_start_runs(reader, 1000, rows, back);
    CHECK(reader.failed());
  }
}

TEST_CASE("start timestamps survive sealing, restarts and a change of kind") {
  StoreFixture fixture;
  const model::Labels labels{{"__name__", "requests_total"}};
  const auto write = [&](model::TimestampMs t, model::TimestampMs start, bool as_histogram) {
    WriteBatch batch;
    if (as_histogram) {
      batch.histograms.push_back({fixture.store().resolve(labels), kNow + t,
                                  histogram(1, model::ResetHint::Unknown), start});
    } else {
      batch.floats = {fixture.row(labels, kNow + t, 1)};
      batch.float_starts = {start};
    }
    REQUIRE(fixture.write(std::move(batch)).rejected_total() == 0);
  };
  std::vector<std::string> wanted = {"0: 0", "1: 7", "2: 7", "3: 9", "h4: 9", "h5: 0", "h6: 1"};
  write(0, 0, false);
  write(1, 7, false);
  write(2, 7, false);
  write(3, 9, false);
  write(4, 9, true);
  write(5, 0, true);
  write(6, 1, true);
  CHECK(starts_in(fixture) == wanted);
  fixture.reopen();
  CHECK(starts_in(fixture) == wanted);
  must(fixture.store().flush());
  CHECK(starts_in(fixture) == wanted);
  fixture.reopen();
  CHECK(starts_in(fixture) == wanted);
  // A partition and the head; deltas, each beginning where the one before ended.
  for (int i = 0; i < 5; ++i) {
    write(100 + i * 10, kNow + 90 + i * 10, false);
    wanted.insert(wanted.begin() + 4 + i,
                  std::to_string(100 + i * 10) + ": " + std::to_string(kNow + 90 + i * 10));
  }
  CHECK(starts_in(fixture) == wanted);
  must(fixture.store().flush());
  CHECK(starts_in(fixture) == wanted);
}

TEST_CASE("hints about resets are decided as samples come, by a replay alike") {
  StoreFixture fixture;
  const model::Labels labels{{"__name__", "latency"}};
  using enum model::ResetHint;
  const auto write = [&](model::TimestampMs t, double count, model::ResetHint hint) {
    WriteBatch batch;
    batch.histograms.push_back({fixture.store().resolve(labels), kNow + t, histogram(count, hint)});
    fixture.write(std::move(batch));
  };
  write(0, 5, Unknown);
  write(1, 8, Unknown);
  write(2, 3, Unknown);
  write(3, 4, No);
  write(4, 9, Yes);
  write(5, 2, Gauge);
  write(6, 7, No);
  write(6, 7, No);  // a repeat
  write(7, 8, Unknown);
  CHECK(hints_in(fixture) == "UNUNUGUN");
  fixture.reopen();
  CHECK(hints_in(fixture) == "UNUNUGUN");
  must(fixture.store().flush());
  CHECK(hints_in(fixture) == "UNUNUGUN");
  write(8, 9, Unknown);  // behind the checkpoint that the flush wrote
  write(9, 10, Unknown);
  CHECK(hints_in(fixture) == "UNUNUGUNUN");
  fixture.reopen();
  CHECK(hints_in(fixture) == "UNUNUGUNUN");
  write(10, 11, Unknown);
  WriteBatch floats;
  floats.floats = {fixture.row(labels, kNow + 11, 1)};
  fixture.write(std::move(floats));
  write(12, 12, Unknown);
  CHECK(hints_in(fixture) == "UNUNUGUNUNNU");
}
