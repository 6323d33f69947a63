#include "base/yaml_reader.h"

#include <catch2/catch.hpp>

#include <string>

namespace aerie {
namespace {

YamlNode parsed(std::string_view text) {
  auto node = YamlNode::parse(text, "a.yml");
  if (!node) FAIL(node.error().message());
  return *node;
}

std::string parse_error(std::string_view text) {
  const auto node = YamlNode::parse(text, "a.yml");
  return node ? "no error" : node.error().message();
}

TEST_CASE("a file is read with types and places") {
  const YamlNode root = parsed(
      "name: gondor\n"
      "count: 42\n"
      "ratio: 1.5e3\n"
      "on: yes\n"
      "tags: [a, 'b', 3]\n"
      "labels:\n"
      "  zone: eu-1\n"
      "  empty:\n");
  CHECK(*root.get_string("name") == "gondor");
  CHECK(*root.get_integer("count", 0, 0, 100) == 42);
  CHECK(*root.get_number("ratio", 0) == 1500);
  CHECK(*root.get_boolean("on", false));
  CHECK(*root.get_strings("tags") == std::vector<std::string>{"a", "b", "3"});
  const auto labels = root.get_string_map("labels");
  REQUIRE(labels.ok());
  CHECK(*labels ==
        std::vector<std::pair<std::string, std::string>>{{"zone", "eu-1"}, {"empty", ""}});
  const auto zone = root.require("labels")->require("zone");
  REQUIRE(zone.ok());
  CHECK(zone->where() == "a.yml:7:9");
}

TEST_CASE("absent and empty values take the fallback") {
  const YamlNode root = parsed("a:\nb: ~\n");
  CHECK(*root.get_string("a", "x") == "x");
  CHECK(*root.get_integer("b", 7, 0, 9) == 7);
  CHECK(*root.get_string("c", "y") == "y");
  CHECK(root.get_sequence("c")->empty());
  CHECK(parsed("").is_null());
  CHECK(parsed("# only a comment\n").is_null());
  CHECK(parsed("").expect_keys({"a"}).ok());
}

TEST_CASE("wrong types say what was expected and found, and where") {
  const YamlNode root =
      parsed("n: many\nq: \"5\"\nlist: {a: 1}\nbig: 11\nmap: [1]\nflag: \"true\"\n");
  CHECK(root.get_integer("n", 0, 0, 9).error().message() ==
        "a.yml:1:4: expected a whole number, found \"many\"");
  CHECK(root.get_integer("q", 0, 0, 9).error().message() ==
        "a.yml:2:4: expected a whole number, found the text \"5\"");
  CHECK(root.get_strings("list").error().message() == "a.yml:3:7: expected a list, found a map");
  CHECK(root.get_integer("big", 0, 0, 10).error().message() ==
        "a.yml:4:6: expected a number from 0 to 10, found 11");
  CHECK(root.get_string_map("map").error().message() == "a.yml:5:6: expected a map, found a list");
  CHECK(root.get_boolean("flag", false).error().message() ==
        "a.yml:6:7: expected true or false, found \"true\"");
  CHECK(root.get_string("map").error().message() == "a.yml:5:6: expected a text, found a list");
  CHECK(root.require("z").error().message() == "a.yml:1:1: the key \"z\" is missing");
}

TEST_CASE("unknown keys are refused with the nearest known one") {
  const YamlNode root = parsed("alert: A\nexpresion: up\n");
  CHECK(root.expect_keys({"alert", "expr"}).error().message() ==
        "a.yml:2:1: unknown key \"expresion\", expected one of: alert, expr");
  CHECK(root.expect_keys({"alert", "expression"}).error().message() ==
        "a.yml:2:1: unknown key \"expresion\" (did you mean \"expression\"?), expected one of: "
        "alert, expression");
  CHECK(root.expect_keys({"expresion", "alert"}).ok());
}

TEST_CASE("broken files are refused with their place") {
  CHECK(parse_error("a: 1\nb: 2\na: 3\n") == "a.yml:3:1: the key \"a\" stands here twice");
  CHECK(parse_error("a: [1, 2\n").find("a.yml:") == 0);
  CHECK(parse_error("a: b: c\n").find("a.yml:1:") == 0);
  CHECK(parse_error("a: 1\n---\nb: 2\n").find("a second YAML document") != std::string::npos);
  CHECK(parse_error("? [a]\n: 1\n") == "a.yml:1:3: expected a plain text as key");
  CHECK(parse_error("a: &x [*x]\n").find("not complete") != std::string::npos);
  CHECK(parse_error("a: *nowhere\n").find("a.yml:1:") == 0);
  CHECK(parse_error(std::string(100, '[')).find("a.yml:1:") == 0);
}

TEST_CASE("aliases and merge keys are resolved") {
  const YamlNode root = parsed(
      "base: &b {x: 1, y: 2}\n"
      "one: {<<: *b, y: 3}\n"
      "two: *b\n");
  CHECK(*root.require("one")->get_integer("x", 0, 0, 9) == 1);
  CHECK(*root.require("one")->get_integer("y", 0, 0, 9) == 3);
  CHECK(*root.require("two")->get_integer("y", 0, 0, 9) == 2);
}

TEST_CASE("a file of aliases of aliases does not explode") {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    std::string line = "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) line += std::string(k ? ", " : "") + "*a" + std::to_string(i - 1);
    text += line + "]\n";
  }
  CHECK(parse_error(text).find("too many values") != std::string::npos);
}

}  // namespace
}  // namespace aerie
