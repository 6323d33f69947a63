#include "query/text_score.h"

#include <catch2/catch.hpp>

namespace aerie::query {

TEST_CASE("a beginning fits best, then runs, then scattered characters") {
  CHECK(subsequence_score("node", "node_cpu") == 1);
  CHECK(subsequence_score("", "anything") == 1);
  CHECK(subsequence_score("cpu", "node_cpu") > subsequence_score("cpu", "container_process_up"));
  CHECK(subsequence_score("cpu", "node_cpu") < 1);
  CHECK(subsequence_score("nc", "node_cpu") > 0);
  CHECK(subsequence_score("cn", "node_cpu") == 0);
  CHECK(subsequence_score("long", "lo") == 0);
}

TEST_CASE("Jaro-Winkler similarities of Winkler's examples") {
  CHECK(jaro_winkler_score("MARTHA", "MARHTA") == Approx(0.9611).margin(1e-4));
  CHECK(jaro_winkler_score("DIXON", "DICKSONX") == Approx(0.8133).margin(1e-4));
  CHECK(jaro_winkler_score("a", "b") == 0);
  CHECK(jaro_winkler_score("", "b") == 0);
}

TEST_CASE("the further behind, the less") {
  CHECK(substring_score("up", "up_time") == 1);
  CHECK(substring_score("time", "up_time") == Approx(0.1));
  CHECK(substring_score("x", "up") == 0);
}

}  // namespace aerie::query
