#include <catch2/catch.hpp>

#include <limits>

#include "store/exemplar_block.h"
#include "tests/store/support/columns.h"
#include "tests/store/support/stores.h"

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;
using model::Exemplar;
using Lines = std::vector<std::string>;

namespace {

const model::Labels kA{{"__name__", "latency_bucket"}, {"le", "1"}};
const model::Labels kB{{"__name__", "latency_bucket"}, {"le", "2"}};

Exemplar exemplar(model::TimestampMs t, double value, const char* trace) {
  return {t, value, {{"trace_id", trace}}};
}

/// A sample of the series with exemplars beside it.
uint32_t write(StoreFixture& fixture, const model::Labels& labels, model::TimestampMs t,
               const std::vector<Exemplar>& exemplars) {
  WriteBatch batch;
  batch.floats = {fixture.row(labels, t, 1)};
  for (const Exemplar& one : exemplars)
    batch.exemplars.push_back({batch.floats[0].series, one.t, one.value, one.labels});
  return fixture.write(std::move(batch)).exemplars_written;
}

/// `le: t=value/trace …`, times from kNow on.
Lines read(StoreFixture& fixture, const std::vector<model::Matchers>& selectors = {{}},
           model::TimeRange range = {}) {
  Lines out;
  for (const auto& one : must(fixture.store().exemplars(selectors, range))) {
    std::string line = std::string(one.series.get("le")) + ":";
    for (const Exemplar& e : one.exemplars)
      line += " " + std::to_string(e.t - kNow) + "=" + print_value(e.value) + "/" +
              std::string(e.labels.get("trace_id"));
    out.push_back(line);
  }
  return out;
}

}  // namespace

TEST_CASE("golden bytes of a block of exemplars") {
  ExemplarBlockWriter writer;
  CHECK(writer.empty());
  writer.add(3, std::vector<Exemplar>{exemplar(1000, 0.5, "a"), exemplar(1500, 2, "b")});
  writer.add(7, std::vector<Exemplar>{{-1, 7, {}}});
  const std::string bytes = must(writer.finish());
  CHECK(hex(bytes) ==
        "00 00 02 03 00 02 d0 0f 11 0a 01 08 74 72 61 63 65 5f 69 64 01 61 e8 07 10 04 01 08 74 72 "
        "61 63 65 5f 69 64 01 62 04 01 01 10 0e 00");
  const auto back = must(parse_exemplar_block(bytes));
  REQUIRE(back.size() == 2);
  CHECK(back[0].series == 3);
  CHECK(back[0].exemplars == std::vector{exemplar(1000, 0.5, "a"), exemplar(1500, 2, "b")});
  CHECK(back[1].series == 7);
  CHECK(back[1].exemplars == std::vector<Exemplar>{{-1, 7, {}}});
  for (size_t length = 0; length < bytes.size(); ++length)
    CHECK_FALSE(parse_exemplar_block(std::string_view(bytes).substr(0, length)).ok());
  for (const char* damaged : {"01 00 01 00 00 01 00 10 02 00", "00 02 01 00 00 01 00 10 02 00",
                              "00 01 01 00 00 01 00 10 02 00", "00 00 01 00 01 01 00 10 02 00"})
    CHECK_FALSE(parse_exemplar_block(from_hex(damaged)).ok());
}

TEST_CASE("exemplars come back from the head, partitions, merges and replays, each once") {
  StoreFixture fixture;
  CHECK(write(fixture, kA, kNow, {exemplar(kNow, 0.5, "x"), exemplar(kNow - 10, 0.25, "w")}) == 2);
  CHECK(write(fixture, kB, kNow, {exemplar(kNow, 2, "y")}) == 1);
  CHECK(write(fixture, kA, kNow + 10, {exemplar(kNow, 0.5, "x")}) == 1);  // sent again
  const Lines wanted = {"1: -10=0.25/w 0=0.5/x", "2: 0=2/y"};
  CHECK(read(fixture) == wanted);
  fixture.reopen();
  CHECK(read(fixture) == wanted);
  must(fixture.store().flush());
  CHECK(read(fixture) == wanted);
  fixture.reopen();
  CHECK(read(fixture) == wanted);
  CHECK(write(fixture, kA, kNow + 20, {exemplar(kNow + 20, 1, "z")}) == 1);
  const Lines more = {"1: -10=0.25/w 0=0.5/x 20=1/z", "2: 0=2/y"};
  CHECK(read(fixture) == more);
  must(fixture.store().flush());
  CHECK(read(fixture) == more);
  CHECK(read(fixture, {{model::Matcher::equal("le", "2")}, {model::Matcher::equal("le", "3")}}) ==
        Lines{"2: 0=2/y"});
  CHECK(read(fixture, {{}}, {kNow + 1, kNow + 20}) == Lines{"1: 20=1/z"});
  CHECK(read(fixture, {}) == Lines{});
  must(fixture.store().merge());
  CHECK(read(fixture) == more);
}

TEST_CASE("an exemplar needs a sample of its series nearby") {
  StoreFixture fixture;
  CHECK(write(fixture, kA, kNow, {exemplar(kNow - 24 * 3'600'000, 1, "old")}) == 0);
  WriteBatch alone;
  alone.exemplars.push_back({fixture.store().resolve(kB), kNow, 1, {{"trace_id", "a"}}});
  CHECK(fixture.write(std::move(alone)).exemplars_written == 0);
  CHECK(read(fixture).empty());
}

TEST_CASE("values of exemplars are kept with all bits") {
  StoreFixture fixture;
  const double infinity = std::numeric_limits<double>::infinity();
  std::vector<Exemplar> sent;
  for (const double value : {-0.0, infinity, -infinity, 0.1, 1e300, model::normal_nan()})
    sent.push_back(exemplar(kNow + static_cast<int64_t>(sent.size()), value, "t"));
  write(fixture, kA, kNow, sent);
  const Lines before = read(fixture);
  must(fixture.store().flush());
  CHECK(read(fixture) == before);
  REQUIRE(before.size() == 1);
}
