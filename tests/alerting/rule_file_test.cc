#include "alerting/rule_file.h"

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/alerting/support/programs.h"
#include "tests/source_folder.h"

namespace aerie::alerting {
namespace {

std::string problems(std::string_view text) {
  const auto groups = parse_rule_file(text, "r.yml");
  return groups ? "accepted" : groups.error().message();
}

/// One rule with these extra lines, four spaces deep.
std::string problems_of_rule(const std::string& lines) {
  return problems("groups:\n- name: g\n  rules:\n  - " + lines);
}

TEST_CASE("a rule file with everything in it") {
  const auto groups = parse_rule_file(
      "groups:\n"
      "- name: node\n"
      "  interval: 30s\n"
      "  query_offset: 10s\n"
      "  limit: 5\n"
      "  labels: {team: infra, severity: none}\n"
      "  rules:\n"
      "  - record: job:up:sum\n"
      "    expr: sum  by (job)(up)\n"
      "    labels: {source: '{{ not a template }}'}\n"
      "  - alert: Down\n"
      "    expr: up == 0\n"
      "    for: 1m30s\n"
      "    keep_firing_for: 5m\n"
      "    labels: {severity: page, tier: 1}\n"
      "    annotations:\n"
      "      summary: '{{ $labels.job }} is down'\n",
      "r.yml");
  REQUIRE(groups.ok());
  REQUIRE(groups->size() == 1);
  const GroupSpec& group = groups->front();
  CHECK(group.name == "node");
  CHECK(group.file == "r.yml");
  CHECK(group.interval == 30'000);
  CHECK(group.query_offset == 10'000);
  CHECK(group.limit == 5);
  REQUIRE(group.rules.size() == 2);
  const RuleSpec& record = group.rules[0];
  CHECK(record.kind == RuleSpec::Kind::Recording);
  CHECK(record.name == "job:up:sum");
  CHECK(record.expr_text == "sum by (job) (up)");
  REQUIRE(record.labels.size() == 3);
  CHECK(record.labels[1].second.text() == "{{ not a template }}");
  const RuleSpec& alert = group.rules[1];
  CHECK(alert.kind == RuleSpec::Kind::Alerting);
  CHECK(alert.hold == 90'000);
  CHECK(alert.keep_firing == 300'000);
  REQUIRE(alert.labels.size() == 3);
  CHECK(alert.labels[0].first == "severity");
  CHECK(alert.labels[0].second.text() == "page");  // the rule's wins over the group's
  CHECK(alert.labels[1].first == "team");
  CHECK(alert.labels[2].second.text() == "1");
  CHECK(alert.annotations.size() == 1);
}

TEST_CASE("empty files are allowed") {
  CHECK(problems("") == "accepted");
  CHECK(problems("groups: []\n") == "accepted");
  CHECK(problems("groups:\n- name: g\n") == "accepted");
}

TEST_CASE("what is wrong is said with its place, in Prometheus's words") {
  CHECK(
      problems("group: []\n").find("r.yml:1:1: unknown key \"group\" (did you mean \"groups\"?)") ==
      0);
  CHECK(problems("groups:\n- rules: []\n") == "r.yml:2:3: Groupname must not be empty");
  CHECK(problems("groups:\n- name: g\n- name: g\n") ==
        "r.yml:3:3: groupname: \"g\" is repeated in the same file");
  CHECK(problems("groups:\n- name: g\n  interval: 5x\n").find("r.yml:3:13: ") == 0);
  CHECK(problems("groups:\n- name: g\n  limit: many\n") ==
        "r.yml:3:10: expected a whole number, found \"many\"");
  CHECK(problems("groups:\n- name: g\n  labels: {__name__: x}\n") ==
        "r.yml:3:12: invalid label name: __name__");

  CHECK(problems_of_rule("expr: up\n") ==
        "r.yml:4:5: group \"g\", rule 1, \"\": one of 'record' or 'alert' must be set");
  CHECK(problems_of_rule("{record: a, alert: b, expr: up}\n") ==
        "r.yml:4:5: group \"g\", rule 1, \"a\": only one of 'record' and 'alert' must be set");
  CHECK(problems_of_rule("alert: A\n") ==
        "r.yml:4:5: group \"g\", rule 1, \"A\": field 'expr' must be set in rule");
  CHECK(problems_of_rule("alert: A\n    expr: sum(\n")
            .find("r.yml:5:11: group \"g\", rule 1, \"A\": could not parse expression: 1:5: parse "
                  "error: ") == 0);
  CHECK(problems_of_rule("{record: a, expr: up, for: 1m}\n") ==
        "r.yml:4:32: group \"g\", rule 1, \"a\": invalid field 'for' in recording rule");
  CHECK(problems_of_rule("{record: a, expr: up, annotations: {x: y}}\n")
            .find("invalid field 'annotations' in recording rule") != std::string::npos);
  CHECK(problems_of_rule("{record: 'a{b=\"c\"}', expr: up}\n")
            .find("braces present in the recording rule name; should it be in expr?: a{b=\"c\"}") !=
        std::string::npos);
  CHECK(problems_of_rule("{alert: A, expr: up, labels: {__name__: x}}\n")
            .find("invalid label name: __name__") != std::string::npos);
  CHECK(problems_of_rule("{alert: A, expr: up, expresion: down}\n")
            .find("r.yml:4:26: unknown key \"expresion\"") == 0);
  CHECK(
      problems_of_rule("alert: A\n    expr: up\n    annotations:\n      summary: '{{ nope }}'\n") ==
      "r.yml:7:16: group \"g\", rule 1, \"A\": annotation \"summary\": template: __alert_A:1: "
      "function \"nope\" not "
      "defined");
  CHECK(problems_of_rule("{alert: A, expr: up, labels: {severity: '{{ $labels.x '}}\n")
            .find("label \"severity\": template: __alert_A:1: unclosed action") !=
        std::string::npos);
}

TEST_CASE("all problems of a file are named, not the first alone") {
  const std::string text =
      problems("groups:\n- name: g\n  rules:\n  - {alert: A}\n  - {record: b, expr: ')'}\n");
  CHECK(text.find("rule 1, \"A\"") != std::string::npos);
  CHECK(text.find("rule 2, \"b\"") != std::string::npos);
}

TEST_CASE("equal rules have equal fingerprints") {
  const auto fingerprint = [](const std::string& rule) {
    const auto groups = parse_rule_file("groups:\n- name: g\n  rules:\n  - " + rule, "r.yml");
    return groups ? groups->front().fingerprint() : groups.error().message();
  };
  CHECK(fingerprint("{alert: A, expr: up==0}\n") == fingerprint("{expr: 'up  == 0', alert: A}\n"));
  CHECK(fingerprint("{alert: A, expr: up==0}\n") != fingerprint("{alert: A, expr: up==1}\n"));
  CHECK(fingerprint("{alert: A, expr: up, for: 1m}\n") !=
        fingerprint("{alert: A, expr: up, for: 2m}\n"));
  CHECK(fingerprint("{alert: A, expr: up, labels: {a: b}}\n") !=
        fingerprint("{alert: A, expr: up, annotations: {a: b}}\n"));
}

TEST_CASE("rule files are found by patterns, each once") {
  const testing::TemporaryFolder folder;
  folder.write("a.yml", "groups:\n- {name: a}\n");
  folder.write("b.yml", "groups:\n- {name: b}\n");
  folder.write("c.yaml", "not yaml: [");
  const auto groups = load_rule_files(
      {folder.path() + "/b.yml", folder.path() + "/*.yml", folder.path() + "/none*"});
  REQUIRE(groups.ok());
  REQUIRE(groups->size() == 2);
  CHECK(groups->at(0).name == "b");
  CHECK(groups->at(1).name == "a");
  CHECK(load_rule_files({folder.path() + "/*"}).error().message().find("c.yaml:1:") !=
        std::string::npos);
  const auto absent = load_rule_files({folder.path() + "/absent.yml"});
  CHECK(absent.error().code() == ErrorCode::IoError);
  CHECK(absent.error().message().find("No such file or directory") != std::string::npos);
  CHECK(check_rule_files({folder.path() + "/none*"}).error().code() == ErrorCode::NotFound);
  CHECK(check_rule_files({folder.path() + "/*.yml"})->size() == 2);
}

/// VictoriaMetrics adds one key of its own to groups; Prometheus refuses it, and so do we.
std::string without_concurrency(const std::string& path) {
  std::ifstream input(path);
  std::string text;
  for (std::string line; std::getline(input, line);) {
    if (line.find(" concurrency: ") == std::string::npos) text += line + "\n";
  }
  return text;
}

TEST_CASE("the rule files that people run are accepted") {
  const std::string corpus = tests::source_folder() + "/../shared/rules-corpus";
  if (!std::filesystem::exists(corpus)) {
    fmt::print(stderr, "SKIPPED: ../shared/rules-corpus is absent\n");
    return;
  }
  size_t files = 0;
  size_t rules = 0;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) {
    const std::string name = entry.path().filename();
    if (name.find("kubernetes-mixin-") != 0 && name.find("victoriametrics-") != 0) continue;
    const auto groups = parse_rule_file(without_concurrency(entry.path()), name);
    if (!groups) FAIL(groups.error().message());
    ++files;
    for (const GroupSpec& group : *groups) rules += group.rules.size();
  }
  CHECK(files == 7);
  CHECK(rules >= 199);
}

}  // namespace
}  // namespace aerie::alerting
