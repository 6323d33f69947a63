#include "ingest/relabel.h"

#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <vector>

using namespace aerie::ingest;

namespace {

using Action = RelabelRule::Action;
using Labels = Relabeller::LabelMap;

std::optional<Labels> relabel(Labels labels, const std::vector<RelabelRule>& rules) {
  const auto compiled = Relabeller::compile(rules);
  if (!compiled) FAIL(compiled.error().message());
  if (!compiled->apply(labels)) return std::nullopt;
  return labels;
}

RelabelRule rule(Action action) {
  RelabelRule made;
  made.action = action;
  return made;
}

}  // namespace

// The cases of Prometheus's own test of its relabelling, by what they show.
TEST_CASE("replace") {
  RelabelRule copy{.source_labels = {"a"},
                   .target_label = "d",
                   .regex = "f(.*)",
                   .replacement = "ch${1}-ch${1}"};
  CHECK(relabel({{"a", "foo"}, {"b", "bar"}}, {copy}) ==
        Labels{{"a", "foo"}, {"b", "bar"}, {"d", "choo-choo"}});
  RelabelRule joined{.source_labels = {"a", "b"},
                     .target_label = "a",
                     .regex = "f(.*);(.*)r",
                     .replacement = "b${1}${2}m"};
  RelabelRule then{.source_labels = {"c", "a"},
                   .target_label = "d",
                   .regex = "(b).*b(.*)ba(.*)",
                   .replacement = "$1$2$2$3"};
  then.separator = "";
  CHECK(relabel({{"a", "foo"}, {"b", "bar"}, {"c", "baz"}}, {joined, then}) ==
        Labels{{"a", "boobam"}, {"b", "bar"}, {"c", "baz"}, {"d", "boooom"}});
  // No match changes nothing; an empty result removes the label.
  CHECK(relabel({{"a", "boo"}, {"d", "x"}}, {copy}) == Labels{{"a", "boo"}, {"d", "x"}});
  RelabelRule erase{
      .source_labels = {"a"}, .target_label = "d", .regex = "(f).*", .replacement = "$2"};
  CHECK(relabel({{"a", "foo"}, {"d", "x"}}, {erase}) == Labels{{"a", "foo"}});
  // The target is a template as well.
  RelabelRule dynamic{.source_labels = {"a"},
                      .target_label = "${1}_name",
                      .regex = "some-([^-]+)-([^,]+)",
                      .replacement = "${2}"};
  CHECK(relabel({{"a", "some-name-value"}}, {dynamic}) ==
        Labels{{"a", "some-name-value"}, {"name_name", "value"}});
  CHECK(relabel({{"a", "some-name-0"}, {"name_name", "x"}}, {dynamic}) ==
        Labels{{"a", "some-name-0"}, {"name_name", "0"}});
  RelabelRule named{.source_labels = {"a"},
                    .target_label = "d",
                    .regex = "(?P<first>.)(.*)",
                    .replacement = "$first-${2}-$2x-$$-$-"};
  CHECK(relabel({{"a", "foo"}}, {named}) == Labels{{"a", "foo"}, {"d", "f-oo--$-$-"}});
  // Without a source the value is empty, which (.*) matches.
  RelabelRule constant{.target_label = "d", .replacement = "fixed"};
  CHECK(relabel({{"a", "foo"}}, {constant}) == Labels{{"a", "foo"}, {"d", "fixed"}});
  RelabelRule lines{.source_labels = {"a"}, .target_label = "d", .regex = "(.*)b"};
  CHECK(relabel({{"a", "x\nb"}}, {lines}) == Labels{{"a", "x\nb"}, {"d", "x\n"}});
}

TEST_CASE("keep and drop") {
  RelabelRule drop{.source_labels = {"a"}, .regex = ".*o.*", .action = Action::Drop};
  CHECK(!relabel({{"a", "foo"}}, {drop}));
  CHECK(relabel({{"a", "f"}}, {drop}));
  RelabelRule anchored{.source_labels = {"a"}, .regex = "o", .action = Action::Drop};
  CHECK(relabel({{"a", "foo"}}, {anchored}));
  RelabelRule alternatives{.source_labels = {"a"}, .regex = "f|foo", .action = Action::Keep};
  CHECK(relabel({{"a", "foo"}}, {alternatives}));
  CHECK(!relabel({{"a", "fooo"}}, {alternatives}));
  RelabelRule missing{.source_labels = {"gone"}, .regex = ".+", .action = Action::Keep};
  CHECK(!relabel({{"a", "foo"}}, {missing}));
  // What was dropped stays dropped.
  CHECK(!relabel({{"a", "foo"}}, {drop, rule(Action::LabelDrop)}));
}

TEST_CASE("keepequal and dropequal") {
  RelabelRule keep{.source_labels = {"a", "b"}, .target_label = "c", .action = Action::KeepEqual};
  CHECK(relabel({{"a", "x"}, {"b", "y"}, {"c", "x;y"}}, {keep}));
  CHECK(!relabel({{"a", "x"}, {"b", "y"}, {"c", "x"}}, {keep}));
  keep.action = Action::DropEqual;
  CHECK(!relabel({{"a", "x"}, {"b", "y"}, {"c", "x;y"}}, {keep}));
  CHECK(relabel({{"a", "x"}, {"b", "y"}, {"c", "x"}}, {keep}));
}

TEST_CASE("hashmod shards as Prometheus does") {
  RelabelRule shard{
      .source_labels = {"c"}, .target_label = "d", .modulus = 1000, .action = Action::HashMod};
  CHECK(relabel({{"c", "baz"}}, {shard}) == Labels{{"c", "baz"}, {"d", "976"}});
  CHECK(relabel({{"c", "foo\nbar"}}, {shard}) == Labels{{"c", "foo\nbar"}, {"d", "734"}});
}

TEST_CASE("lowercase and uppercase, in every script") {
  RelabelRule lower{.source_labels = {"a"}, .target_label = "l", .action = Action::Lowercase};
  RelabelRule upper{.source_labels = {"a"}, .target_label = "u", .action = Action::Uppercase};
  CHECK(relabel({{"a", "bAr123Foo"}}, {lower, upper}) ==
        Labels{{"a", "bAr123Foo"}, {"l", "bar123foo"}, {"u", "BAR123FOO"}});
  CHECK(relabel({{"a", "\xc3\x84\xd0\x96\xf0\x90\x90\x80"}}, {lower})->at("l") ==
        "\xc3\xa4\xd0\xb6\xf0\x90\x90\xa8");
}

TEST_CASE("labelmap, labeldrop and labelkeep") {
  RelabelRule map{.regex = "(b.*)", .replacement = "meta_$1", .action = Action::LabelMap};
  CHECK(relabel({{"a", "foo"}, {"b1", "bar"}, {"b2", "baz"}}, {map}) ==
        Labels{{"a", "foo"}, {"b1", "bar"}, {"b2", "baz"}, {"meta_b1", "bar"}, {"meta_b2", "baz"}});
  RelabelRule drop{.regex = "(b.*)", .action = Action::LabelDrop};
  CHECK(relabel({{"a", "foo"}, {"b1", "bar"}}, {drop}) == Labels{{"a", "foo"}});
  drop.action = Action::LabelKeep;
  CHECK(relabel({{"a", "foo"}, {"b1", "bar"}}, {drop}) == Labels{{"b1", "bar"}});
}

TEST_CASE("rules that Prometheus refuses are refused") {
  CHECK(!Relabeller::compile({rule(Action::Replace)}).ok());
  CHECK(!Relabeller::compile({rule(Action::Lowercase)}).ok());
  CHECK(!Relabeller::compile(
             {{.source_labels = {"a"}, .target_label = "b", .action = Action::HashMod}})
             .ok());
  CHECK(!Relabeller::compile({{.source_labels = {"a"}, .regex = "x", .action = Action::LabelDrop}})
             .ok());
  CHECK(!Relabeller::compile({{.target_label = "a", .regex = "x", .action = Action::KeepEqual}})
             .ok());
  const auto bad =
      Relabeller::compile({rule(Action::LabelDrop), {.target_label = "b", .regex = "(("}});
  REQUIRE(!bad.ok());
  CHECK(bad.error().message().find("rule 2") == 0);
  CHECK(parse_relabel_action("LabelMap").value() == Action::LabelMap);
  CHECK(!parse_relabel_action("rename").ok());
  CHECK(Relabeller::compile({}).value().empty());
}
