#include "store/keyed_table.h"

#include <catch2/catch.hpp>

#include "store/partition_set.h"
#include "tests/store/support/partitions.h"

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;
using Rows = std::vector<std::pair<std::string, std::string>>;

TEST_CASE("rows are kept per table, in key order, across a reopening") {
  TempFolder folder;
  {
    auto set = must(PartitionSet::open({folder.path()}));
    auto alerts = must(set->table("alerts"));
    CHECK_FALSE(must(alerts->get("x")).has_value());
    must(alerts->apply({{"b/2", "two"}, {"a", ""}, {"b/1", std::string("\0one", 4)}}, {}));
    must(must(set->table("alert"))->apply({{"s-elsewhere", "!"}}, {}));
    must(alerts->apply({{"c", "three"}}, {"a", "never there"}));
  }
  auto set = must(PartitionSet::open({folder.path()}));
  auto alerts = must(set->table("alerts"));
  CHECK(must(alerts->scan("")) ==
        Rows{{"b/1", std::string("\0one", 4)}, {"b/2", "two"}, {"c", "three"}});
  CHECK(must(alerts->scan("b/")) == Rows{{"b/1", std::string("\0one", 4)}, {"b/2", "two"}});
  CHECK(must(alerts->scan("z")).empty());
  CHECK(must(alerts->get("c")) == "three");
  CHECK_FALSE(must(alerts->get("a")).has_value());
  CHECK(must(must(set->table("alert"))->scan("")) == Rows{{"s-elsewhere", "!"}});
  CHECK(must(must(set->table(""))->scan("")).empty());
}

TEST_CASE("a key written and removed in one call is gone, a table outlives its set") {
  TempFolder folder;
  auto set = must(PartitionSet::open({folder.path()}));
  auto table = must(set->table("t"));
  must(table->apply({{"k", "v"}}, {"k"}));
  CHECK_FALSE(must(table->get("k")).has_value());
  set.reset();
  must(table->apply({{"k", "w"}}, {}));
  CHECK(must(table->get("k")) == "w");
}
