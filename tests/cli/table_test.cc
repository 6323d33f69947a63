#include "cli/table.h"

#include <catch2/catch.hpp>

namespace aerie::cli {
namespace {

TEST_CASE("columns are aligned as kubectl aligns them") {
  Table table({"CLUSTER", "PHASE"});
  table.add({"gondor", "Complete"});
  table.add({"m\u00fcnchen-1", "Stalled"});
  CHECK(table.render(true) ==
        "CLUSTER     PHASE\n"
        "gondor      Complete\n"
        "m\u00fcnchen-1   Stalled\n");
  CHECK(table.render(false).find("CLUSTER") == std::string::npos);
}

TEST_CASE("ages are short") {
  CHECK(short_age(5) == "5s");
  CHECK(short_age(125) == "2m5s");
  CHECK(short_age(1800) == "30m");
  CHECK(short_age(4 * 3600 + 1200) == "4h20m");
  CHECK(short_age(3 * 86400) == "3d");
  CHECK(short_age(-1) == "-");
}

}  // namespace
}  // namespace aerie::cli
