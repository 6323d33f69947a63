#include "model/time.h"

#include <catch2/catch.hpp>

namespace aerie::model {
namespace {

TEST_CASE("durations are read as Prometheus reads them") {
  CHECK(parse_duration("0").value() == 0);
  CHECK(parse_duration("5m").value() == 300'000);
  CHECK(parse_duration("1h30m").value() == 5'400'000);
  CHECK(parse_duration("1y2w3d4h5m6s7ms").value() ==
        ((((365LL + 14 + 3) * 24 + 4) * 60 + 5) * 60 + 6) * 1000 + 7);
  CHECK(parse_duration("").error().message() == "empty duration string");
  CHECK(parse_duration("5x").error().message() == "unknown unit \"x\" in duration \"5x\"");
  CHECK(parse_duration("1m1h").error().message() == "not a valid duration string: \"1m1h\"");
  CHECK(parse_duration("-5m").error().message() == "not a valid duration string: \"-5m\"");
  CHECK(parse_duration("300y").error().message() == "duration out of range");
  CHECK_FALSE(parse_duration("1.5h"));
  CHECK_FALSE(parse_duration("h"));
}

TEST_CASE("durations are printed in their shortest exact form") {
  CHECK(format_duration(0) == "0s");
  CHECK(format_duration(5'400'000) == "1h30m");
  CHECK(format_duration(90LL * 24 * 3600 * 1000) == "90d");
  CHECK(format_duration(7LL * 24 * 3600 * 1000) == "1w");
  CHECK(format_duration(365LL * 24 * 3600 * 1000) == "1y");
  CHECK(format_duration(1'001) == "1s1ms");
}

TEST_CASE("timestamps come as float seconds or as RFC 3339") {
  CHECK(parse_timestamp("4").value() == 4'000);
  CHECK(parse_timestamp("1435781451.781").value() == 1'435'781'451'781);
  CHECK(parse_timestamp("-1.5").value() == -1'500);
  CHECK(parse_timestamp("1.7e9").value() == 1'700'000'000'000);
  CHECK(parse_timestamp("1763632800000").value() ==
        1'763'632'800'000'000);  // Grafana's milliseconds
  CHECK(parse_timestamp("2015-07-01T20:10:51.781Z").value() == 1'435'781'451'781);
  CHECK(parse_timestamp("2015-07-01T22:10:51+02:00").value() == 1'435'781'451'000);
  for (const char* bad : {"", "abc", "NaN", "Inf", "2015-13-01T00:00:00Z", "2015-07-01", "1e400"}) {
    INFO(bad);
    CHECK_FALSE(parse_timestamp(bad));
  }
  CHECK(parse_timestamp("abc").error().message() == "cannot parse \"abc\" to a valid timestamp");
}

TEST_CASE("RFC 3339 output keeps milliseconds only when there are any") {
  CHECK(format_rfc3339(0) == "1970-01-01T00:00:00Z");
  CHECK(format_rfc3339(1'435'781'451'500) == "2015-07-01T20:10:51.5Z");
  CHECK(format_rfc3339(-1) == "1969-12-31T23:59:59.999Z");
}

}  // namespace
}  // namespace aerie::model
