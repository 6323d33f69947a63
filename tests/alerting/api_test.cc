#include "alerting/api.h"

#include <catch2/catch.hpp>

#include <boost/json.hpp>
#include <string>

#include "tests/alerting/support/lab.h"

namespace aerie::alerting {
namespace {

using testing::Lab;

const boost::json::object& data_of(boost::json::value& root, const http::Response& response) {
  CHECK(response.status == 200);
  root = boost::json::parse(response.body);
  CHECK(root.at("status").as_string() == "success");
  return root.at("data").as_object();
}

std::string text(const boost::json::value& value) { return std::string(value.as_string()); }

/// Names of the rules that the parameters select.
std::vector<std::string> selected(const Lab& lab, const std::string& params) {
  boost::json::value root;
  std::vector<std::string> names;
  const auto& data = data_of(root, rules_response(*lab.manager, http::Parameters::parse(params)));
  for (const auto& group : data.at("groups").as_array()) {
    for (const auto& rule : group.at("rules").as_array()) names.push_back(text(rule.at("name")));
  }
  return names;
}

void load(Lab& lab) {
  REQUIRE(
      lab.load_rules(
             "groups:\n"
             "- name: one\n  interval: 1m\n  limit: 7\n  rules:\n"
             "  - {alert: A, expr: bad>0, for: 2m, keep_firing_for: 5m, labels: {severity: page}, "
             "annotations: {s: 'is {{ $value }}'}}\n"
             "  - {record: r, expr: sum(bad), labels: {team: x}}\n"
             "- name: two\n  interval: 1m\n  rules:\n"
             "  - {alert: B, expr: '\"text\"'}\n")
          .ok());
  lab.run_for(2 * testing::kMinute, [&] {
    lab.sample(model::Labels{{"__name__", "bad"}, {"job", "j"}}, 1.5);
  });
}

TEST_CASE("rules have the fields that Prometheus's have") {
  Lab lab;
  load(lab);
  boost::json::value root;
  const auto& groups = data_of(root, rules_response(*lab.manager, {})).at("groups").as_array();
  REQUIRE(groups.size() == 2);
  const auto& one = groups[0].as_object();
  CHECK(text(one.at("name")) == "one");
  CHECK(text(one.at("file")) == lab.options.rule_files[0]);
  CHECK(one.at("interval").to_number<double>() == 60);
  CHECK(one.at("limit").to_number<double>() == 7);
  CHECK(one.at("evaluationTime").is_number());
  CHECK(text(one.at("lastEvaluation")).find("2026-01-01T00:0") == 0);
  const auto& alert = one.at("rules").as_array()[0].as_object();
  CHECK(text(alert.at("type")) == "alerting");
  CHECK(text(alert.at("name")) == "A");
  CHECK(text(alert.at("query")) == "bad > 0");
  CHECK(alert.at("duration").to_number<double>() == 120);
  CHECK(alert.at("keepFiringFor").to_number<double>() == 300);
  CHECK(text(alert.at("labels").at("severity")) == "page");
  CHECK(text(alert.at("annotations").at("s")) == "is {{ $value }}");
  CHECK(text(alert.at("health")) == "ok");
  CHECK(text(alert.at("state")) == "pending");
  CHECK(alert.count("lastError") == 0);
  const auto& active = alert.at("alerts").as_array().at(0).as_object();
  CHECK(text(active.at("state")) == "pending");
  CHECK(text(active.at("value")) == "1.5e+00");
  CHECK(text(active.at("labels").at("alertname")) == "A");
  CHECK(text(active.at("annotations").at("s")) == "is 1.5");
  const auto& record = one.at("rules").as_array()[1].as_object();
  CHECK(text(record.at("type")) == "recording");
  CHECK(text(record.at("labels").at("team")) == "x");
  CHECK(record.count("alerts") == 0);
  const auto& broken = groups[1].at("rules").as_array()[0].as_object();
  CHECK(text(broken.at("health")) == "err");
  CHECK(text(broken.at("lastError")) == "rule result is not a vector or scalar");
}

TEST_CASE("rules are selected as in Prometheus") {
  Lab lab;
  load(lab);
  using Names = std::vector<std::string>;
  CHECK(selected(lab, "") == Names{"A", "r", "B"});
  CHECK(selected(lab, "type=alert") == Names{"A", "B"});
  CHECK(selected(lab, "type=record") == Names{"r"});
  CHECK(selected(lab, "rule_name[]=A&rule_name[]=r") == Names{"A", "r"});
  CHECK(selected(lab, "rule_group[]=two") == Names{"B"});
  CHECK(selected(lab, "file[]=other") == Names{});
  CHECK(selected(lab, "match[]={severity=\"page\"}&match[]={team=~\"x|y\"}") == Names{"A", "r"});
  boost::json::value root;
  const auto without =
      rules_response(*lab.manager, http::Parameters::parse("exclude_alerts=true&type=alert"));
  CHECK(data_of(root, without)
            .at("groups")
            .as_array()[0]
            .at("rules")
            .as_array()[0]
            .at("alerts")
            .as_array()
            .empty());
  const auto refused = rules_response(*lab.manager, http::Parameters::parse("type=other"));
  CHECK(refused.status == 400);
  CHECK(refused.body.find("\"bad_data\"") != std::string::npos);
  CHECK(rules_response(*lab.manager, http::Parameters::parse("match[]={")).status == 400);
}

TEST_CASE("alerts and Alertmanagers") {
  Lab lab;
  lab.options.alertmanagers = {{"http://127.0.0.1:1/prefix", {}, std::chrono::seconds(1)}};
  load(lab);
  boost::json::value root;
  const auto& alerts = data_of(root, alerts_response(*lab.manager)).at("alerts").as_array();
  REQUIRE(alerts.size() == 1);
  CHECK(text(alerts[0].at("labels").at("job")) == "j");
  boost::json::value other;
  const auto& managers = data_of(other, alertmanagers_response(*lab.manager));
  CHECK(text(managers.at("activeAlertmanagers").as_array().at(0).at("url")) ==
        "http://127.0.0.1:1/prefix/api/v2/alerts");
  CHECK(managers.at("droppedAlertmanagers").as_array().empty());
}

}  // namespace
}  // namespace aerie::alerting
