#include "store/sample_rules.h"

#include <bit>
#include <cmath>
#include <vector>

#include "model/sample.h"

#include <catch2/catch.hpp>

using namespace aerie;
using namespace aerie::store;

namespace {

/// One series as the applier judges it.
struct Series {
  NewestSample newest;
  PairState pair;
  std::vector<model::TimestampMs> kept;

  Verdict offer(model::TimestampMs t, double value = 1) {
    const RowToJudge row{t, std::bit_cast<uint64_t>(value), false, model::is_stale(value)};
    const Verdict verdict = judge_pair(newest, pair, row, {});
    if (verdict == Verdict::Keep) {
      newest = {true, false, row.stale, t, row.bits};
      kept.push_back(t);
    }
    return verdict;
  }
};

}  // namespace

TEST_CASE("one sender: order, repeats, limits") {
  const NewestSample newest{true, false, false, 1000, 42};
  const TimeLimits limits{500, 2000};
  CHECK(judge_single_sender({}, {700, 1}, limits) == Verdict::Keep);
  CHECK(judge_single_sender(newest, {1001, 1}, limits) == Verdict::Keep);
  CHECK(judge_single_sender(newest, {1000, 42}, limits) == Verdict::Repeat);
  CHECK(judge_single_sender(newest, {1000, 43}, limits) == Verdict::DuplicateValue);
  CHECK(judge_single_sender(newest, {1000, 42, true}, limits) == Verdict::DuplicateValue);
  CHECK(judge_single_sender(newest, {999, 42}, limits) == Verdict::OutOfOrder);
  CHECK(judge_single_sender(newest, {900, 42}, {500, 2000, 100}) == Verdict::Late);
  CHECK(judge_single_sender(newest, {899, 42}, {500, 2000, 100}) == Verdict::OutOfOrder);
  CHECK(judge_single_sender(newest, {499, 42}, {500, 2000, 10'000}) == Verdict::TooOld);
  CHECK(judge_single_sender(newest, {499, 42}, limits) == Verdict::TooOld);
  CHECK(judge_single_sender(newest, {2000, 1}, limits) == Verdict::Keep);
  CHECK(judge_single_sender(newest, {2001, 1}, limits) == Verdict::TooFarInFuture);
}

TEST_CASE("an unlabelled pair: one phase is kept, whatever the interval and the offset") {
  for (const int64_t interval :
       {5'000, 7'000, 12'000, 15'000, 25'000, 30'000, 45'000, 60'000, 90'000}) {
    for (const int64_t offset :
         {1L, 100L, interval / 4, interval * 74 / 100, interval * 76 / 100, interval - 1}) {
      CAPTURE(interval, offset);
      Series series;
      for (int64_t scrape = 0; scrape < 40; ++scrape) {
        series.offer(scrape * interval);
        series.offer(scrape * interval + offset);
      }
      // After the interval is learned: exactly one sample an interval, never two of both replicas.
      const auto settled = series.kept.end() - 30;
      for (auto at = settled + 1; at != series.kept.end(); ++at) CHECK(*at - *(at - 1) == interval);
    }
  }
}

TEST_CASE(
    "an unlabelled pair: when the kept replica dies the other one takes over within 1.75 "
    "intervals") {
  for (const int64_t offset : {1'000L, 4'000L, 11'000L, 14'000L}) {
    CAPTURE(offset);
    Series series;
    for (int64_t scrape = 0; scrape < 60; ++scrape) {
      if (scrape < 20 || scrape >= 40) series.offer(scrape * 15'000);
      if (scrape < 45) series.offer(scrape * 15'000 + offset);
    }
    for (size_t i = 1; i < series.kept.size(); ++i) {
      CHECK(series.kept[i] - series.kept[i - 1] <= 26'250);
      if (series.kept[i] > 60'000) CHECK(series.kept[i] - series.kept[i - 1] >= 11'250);
    }
    CHECK(series.kept.back() >= 59 * 15'000 - 15'000);
  }
}

TEST_CASE("an unlabelled pair: gaps of a single sender do not stretch its interval") {
  Series series;
  int64_t t = 0;
  for (int i = 0; i < 10; ++i) series.offer(t += 15'000);
  series.offer(t += 45'000);  // 15 s and 45 s look like a pair at 60 s
  for (int i = 0; i < 10; ++i) CHECK(series.offer(t += 15'000) == Verdict::Keep);
}

TEST_CASE("an unlabelled pair: stale markers are held, repeats count as written") {
  Series series;
  for (int64_t scrape = 0; scrape < 5; ++scrape) {
    series.offer(scrape * 15'000);
    series.offer(scrape * 15'000 + 7'000);
  }
  CHECK(series.offer(60'000) == Verdict::Repeat);
  CHECK(series.offer(60'000, 2) == Verdict::Deduplicated);
  CHECK(series.offer(30'000) == Verdict::Deduplicated);
  CHECK(series.offer(75'000, model::stale_marker()) == Verdict::Hold);
  CHECK(series.offer(66'000, model::stale_marker()) == Verdict::Hold);
  CHECK(marker_patience(series.pair) == 28'750);
  SECTION("forgotten") { CHECK(series.offer(82'000, 5) == Verdict::Keep); }
  SECTION("standing: it does not hold the lock") {
    series.newest = {true, false, true, 75'000, model::kStaleNanBits};
    CHECK(series.offer(82'000, model::stale_marker()) == Verdict::Deduplicated);
    CHECK(series.offer(83'000, 5) == Verdict::Keep);
    CHECK(series.offer(90'000, 6) == Verdict::Deduplicated);
  }
}

TEST_CASE("a counter that goes down where one replica's samples go over into the other's") {
  PairState pair;
  pair.interval_ms = 15'000;
  const auto bits = [](double value) { return std::bit_cast<uint64_t>(value); };
  // A scrape that began later and was answered earlier.
  const NewestSample newest{true, false, false, 100'000, bits(3829920.063)};
  const auto row = [&](model::TimestampMs after, double value) {
    return RowToJudge{100'000 + after, bits(value)};
  };
  const RivalSample same{93'000, 3829919};
  CHECK(step_of(newest, pair, same, row(8'000, 3829920.042)) == Step::Inverted);
  CHECK(step_of(newest, pair, {}, row(8'000, 3829920.042)) == Step::Unknown);
  CHECK(step_of(newest, pair, {91'499, 1}, row(8'000, 3829920.042)) == Step::Unknown);
  CHECK(step_of(newest, pair, same, row(8'000, 12)) == Step::Plain);  // its own replica saw a reset
  CHECK(step_of(newest, pair, same, row(8'000, 3829920.063)) == Step::Plain);
  CHECK(step_of(newest, pair, same, row(8'000, std::nan(""))) == Step::Plain);
  CHECK(step_of(newest, pair, same, row(13'499, 3829920)) == Step::Unknown);
  CHECK(step_of(newest, pair, same, row(13'500, 3829920)) == Step::Plain);  // the next scrape
  CHECK(step_of({}, pair, same, row(8'000, 1)) == Step::Plain);
  CHECK(step_of({true, true, false, 100'000, 7}, pair, same, row(8'000, 0)) == Step::Plain);
  for (const char* name : {"x_total", "x_bucket", "x_count", "x_sum"}) CHECK(is_counter_name(name));
  for (const char* name : {"x", "temperature", "total", ""}) CHECK(!is_counter_name(name));
}

TEST_CASE("a change of lead: half an interval is enough, and one and a half are never reached") {
  for (const int64_t interval : {5'000, 15'000, 60'000}) {
    for (int64_t phase = 100; phase < interval; phase += interval / 7) {
      CAPTURE(interval, phase);
      NewestSample newest;
      PairState pair;
      std::vector<model::TimestampMs> kept;
      const auto offer = [&](model::TimestampMs t, bool change) {
        const RowToJudge row{t, 1};
        if (!change) note_interval(newest, pair, row);
        const Verdict verdict = change ? judge_change_of_lead(newest, pair, row, {})
                                       : judge_single_sender(newest, row, {});
        if (verdict != Verdict::Keep) return;
        newest = {true, false, false, t, 1};
        kept.push_back(t);
      };
      for (int64_t scrape = 0; scrape < 10; ++scrape) offer(scrape * interval, false);
      // What the standby sent meanwhile comes again from the beginning.
      for (int64_t scrape = 5; scrape < 20; ++scrape) offer(scrape * interval + phase, true);
      for (size_t i = 1; i < kept.size(); ++i) {
        CHECK(2 * (kept[i] - kept[i - 1]) >= interval);
        CHECK(2 * (kept[i] - kept[i - 1]) < 3 * interval);
      }
      CHECK(kept.back() == 19 * interval + phase);
    }
  }
}
