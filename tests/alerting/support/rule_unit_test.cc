#include "tests/alerting/support/rule_unit_test.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "alerting/rule_file.h"
#include "alerting/rule_group.h"
#include "base/clock.h"
#include "base/yaml_reader.h"
#include "http/json_writer.h"
#include "query/engine.h"
#include "query/parser.h"
#include "tests/alerting/support/memory_source.h"

namespace aerie::alerting::testing {
namespace {

/// Thrown inside this file only: a test file that cannot be read ends the test.
struct Unreadable {
  Error error;
};
template <class T>
T taken(Result<T> result) {
  if (!result) throw Unreadable{std::move(result).error()};
  return std::move(*result);
}
model::DurationMs duration_of(const YamlNode& node, std::string_view key,
                              model::DurationMs fallback) {
  const std::string text = taken(node.get_string(key));
  return text.empty() ? fallback : taken(model::parse_duration(text));
}

StringMap map_of(const YamlNode& node, std::string_view key) {
  StringMap map;
  for (auto& [name, value] : taken(node.get_string_map(key))) map[name] = value;
  return map;
}

/// `up{job="x"}` as labels.
model::Labels labels_of(const std::string& series) {
  const auto expr = taken(query::parse_expr(series == "{}" ? "{__name__=\"\"}" : series));
  const auto* selector = std::get_if<query::VectorSelector>(&expr->node);
  std::vector<model::LabelView> views;
  if (selector == nullptr)
    throw Unreadable{Error(ErrorCode::InvalidArgument, "not a series: " + series)};
  for (const model::Matcher& matcher : selector->matchers)
    views.push_back({matcher.name(), matcher.value()});
  return model::Labels::from_pairs(std::move(views));
}

double number_of(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = std::nan("");
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// Adds one word of `values` (`5`, `_x3`, `stale`, `1+2x3`, `1x3`); `step` counts samples.
void add_word(std::string_view word, const model::Labels& labels, model::DurationMs interval,
              int64_t& step, MemorySource& source) {
  const size_t times = word.rfind('x');
  const bool repeated = times != std::string_view::npos;
  int64_t repeats = 0;
  if (repeated) std::from_chars(word.data() + times + 1, word.data() + word.size(), repeats);
  const std::string_view what = word.substr(0, times);
  if (what == "_") {
    step += repeated ? repeats : 1;
    return;
  }
  if (what == "stale") {
    source.add(labels, step++ * interval, model::stale_marker());
    return;
  }
  // The sign behind the first character that belongs to no exponent parts start and increment.
  size_t sign = 1;
  while (sign < what.size() && !((what[sign] == '+' || what[sign] == '-') &&
                                 what[sign - 1] != 'e' && what[sign - 1] != 'E')) {
    ++sign;
  }
  const double start = number_of(what.substr(0, sign));
  double increment = 0;
  if (sign < what.size())
    increment = number_of(what.substr(sign + 1)) * (what[sign] == '-' ? -1 : 1);
  double value = start;
  for (int64_t i = 0; i <= repeats; ++i) {
    source.add(labels, step++ * interval, value);
    value += increment;
  }
}

RuleUnitTest read_test(const YamlNode& node) {
  RuleUnitTest test;
  test.name = taken(node.get_string("name"));
  test.interval = duration_of(node, "interval", 60'000);
  test.external_labels = map_of(node, "external_labels");
  test.external_url = taken(node.get_string("external_url"));
  for (const YamlNode& series : taken(node.get_sequence("input_series"))) {
    test.series.push_back({taken(series.get_string("series")), taken(series.get_string("values"))});
  }
  for (const YamlNode& check : taken(node.get_sequence("alert_rule_test"))) {
    RuleUnitTest::AlertCheck read{
        duration_of(check, "eval_time", 0), taken(check.get_string("alertname")), {}, {}};
    for (const YamlNode& alert : taken(check.get_sequence("exp_alerts"))) {
      ExpectedAlert expected{map_of(alert, "exp_labels"), map_of(alert, "exp_annotations")};
      expected.labels["alertname"] = read.alert;
      read.expected.push_back(std::move(expected));
    }
    test.alert_checks.push_back(std::move(read));
  }
  for (const YamlNode& check : taken(node.get_sequence("promql_expr_test"))) {
    RuleUnitTest::ExprCheck read{
        duration_of(check, "eval_time", 0), taken(check.get_string("expr")), {}, {}};
    for (const YamlNode& sample : taken(check.get_sequence("exp_samples"))) {
      const std::string labels = taken(sample.get_string("labels"));
      read.expected.push_back({labels.empty() ? model::Labels() : labels_of(labels),
                               number_of(taken(sample.get_string("value")))});
    }
    test.expr_checks.push_back(std::move(read));
  }
  return test;
}

std::vector<ExpectedAlert> firing_alerts(const std::vector<std::shared_ptr<RuleGroup>>& groups,
                                         const std::string& name) {
  std::vector<ExpectedAlert> found;
  for (const auto& group : groups) {
    const auto status = group->status();
    for (size_t i = 0; i < status->rules.size(); ++i) {
      if (status->spec->rules[i].kind != RuleSpec::Kind::Alerting ||
          status->spec->rules[i].name != name)
        continue;
      for (const Alert& alert : status->rules[i].alerts) {
        if (alert.state != AlertState::Firing) continue;
        ExpectedAlert got;
        for (const auto& [label, value] : alert.labels) got.labels.emplace(label, value);
        for (const auto& [label, text] : alert.annotations) got.annotations.emplace(label, text);
        found.push_back(std::move(got));
      }
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

void run_test(RuleUnitTest& test, const std::vector<GroupSpec>& specs,
              model::DurationMs evaluation_interval) {
  ManualClock clock;
  MetricRegistry metrics;
  RuleMetrics rule_metrics(metrics);
  MemorySource source;
  const query::Engine engine({}, source, clock);
  for (const RuleUnitTest::Series& series : test.series) {
    const model::Labels labels = labels_of(series.series);
    std::istringstream words(series.values);
    int64_t step = 0;
    for (std::string word; words >> word;) add_word(word, labels, test.interval, step, source);
  }
  std::vector<model::LabelView> external;
  for (const auto& [name, value] : test.external_labels) external.push_back({name, value});
  RuleEnvironment environment{engine,
                              [&](const OwnSamples& samples) { return source.write(samples); },
                              [](std::vector<OutgoingAlert>) {},
                              {},
                              nullptr,
                              nullptr,
                              model::Labels::from_pairs(std::move(external)),
                              test.external_url,
                              60'000};
  const auto shared = std::make_shared<const RuleEnvironment>(std::move(environment));
  std::vector<std::shared_ptr<RuleGroup>> groups;
  for (const GroupSpec& spec : specs) {
    groups.push_back(
        std::make_shared<RuleGroup>(spec, evaluation_interval, shared, clock, rule_metrics));
  }
  model::TimestampMs end = 0;
  for (const auto& check : test.alert_checks) end = std::max(end, check.at);
  for (const auto& check : test.expr_checks) end = std::max(end, check.at);
  for (model::TimestampMs t = 0; t <= end; t += evaluation_interval) {
    clock.set_ms(t);
    for (const auto& group : groups) group->evaluate(t);
    for (auto& check : test.alert_checks) {
      if (t <= check.at && check.at < t + evaluation_interval)
        check.got = firing_alerts(groups, check.alert);
    }
  }
  for (auto& check : test.expr_checks) {
    auto result = taken(engine.instant(check.expr, check.at));
    if (const auto* vector = std::get_if<query::VectorValue>(&result.value)) {
      for (const auto& element : *vector) check.got.push_back({element.labels, element.value});
    } else if (const auto* scalar = std::get_if<query::ScalarValue>(&result.value)) {
      check.got.push_back({model::Labels(), scalar->value});
    }
  }
}

void write_map(http::JsonWriter& json, std::string_view name, const StringMap& map) {
  json.key(name).begin_object();
  for (const auto& [key, value] : map) json.field(key, value);
  json.end_object();
}

std::string shortest(double value) { return std::isnan(value) ? "NaN" : fmt::format("{}", value); }
std::string milliseconds(model::DurationMs duration) { return fmt::format("{}ms", duration); }

void write_checks(http::JsonWriter& json, const RuleUnitTest& test) {
  json.key("alert_rule_test").begin_array();
  for (const auto& check : test.alert_checks) {
    json.begin_object().field("eval_time", milliseconds(check.at)).field("alertname", check.alert);
    json.key("exp_alerts").begin_array();
    for (const ExpectedAlert& alert : check.got) {
      json.begin_object();
      StringMap labels = alert.labels;
      labels.erase("alertname");
      write_map(json, "exp_labels", labels);
      write_map(json, "exp_annotations", alert.annotations);
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().key("promql_expr_test").begin_array();
  for (const auto& check : test.expr_checks) {
    json.begin_object().field("eval_time", milliseconds(check.at)).field("expr", check.expr);
    json.key("exp_samples").begin_array();
    for (const ExpectedSample& sample : check.got) {
      json.begin_object().field("labels", sample.labels.to_string());
      json.key("value").raw(shortest(sample.value)).end_object();
    }
    json.end_array().end_object();
  }
  json.end_array();
}

void compare(const RuleUnitTest& test, std::vector<std::string>& out) {
  for (const auto& check : test.alert_checks) {
    auto expected = check.expected;
    std::sort(expected.begin(), expected.end());
    if (expected == check.got) continue;
    const auto shown = [](const std::vector<ExpectedAlert>& alerts) {
      std::string text;
      for (const ExpectedAlert& alert : alerts) {
        text += "\n    ";
        for (const auto& [name, value] : alert.labels) text += fmt::format("{}={} ", name, value);
        for (const auto& [name, value] : alert.annotations)
          text += fmt::format("{}: {}; ", name, value);
      }
      return text;
    };
    out.push_back(fmt::format("{}: alert {} at {}: expected {}\n  got {}", test.name, check.alert,
                              model::format_duration(check.at), shown(expected), shown(check.got)));
  }
  for (const auto& check : test.expr_checks) {
    const auto shown = [](std::vector<ExpectedSample> samples) {
      std::vector<std::string> lines;
      for (const auto& sample : samples)
        lines.push_back(sample.labels.to_string() + " " + shortest(sample.value));
      std::sort(lines.begin(), lines.end());
      return fmt::format("{}", fmt::join(lines, "\n    "));
    };
    if (shown(check.expected) == shown(check.got)) continue;
    out.push_back(fmt::format("{}: {} at {}: expected\n    {}\n  got\n    {}", test.name,
                              check.expr, model::format_duration(check.at), shown(check.expected),
                              shown(check.got)));
  }
}

}  // namespace

Result<RuleUnitTestFile> RuleUnitTestFile::load(const std::string& path, const StringMap& rename) {
  std::ifstream input(path);
  std::stringstream text;
  text << input.rdbuf();
  try {
    const YamlNode root = taken(YamlNode::parse(text.str(), path));
    RuleUnitTestFile file;
    file.evaluation_interval = duration_of(root, "evaluation_interval", 60'000);
    for (const std::string& name : taken(root.get_strings("rule_files"))) {
      const auto known = rename.find(name);
      file.rule_files.push_back(known != rename.end()
                                    ? known->second
                                    : (std::filesystem::path(path).parent_path() / name).string());
    }
    for (const YamlNode& node : taken(root.get_sequence("tests")))
      file.tests.push_back(read_test(node));
    return file;
  } catch (const Unreadable& unreadable) {
    return unreadable.error;
  }
}

Status RuleUnitTestFile::run() {
  try {
    const auto groups = taken(load_rule_files(rule_files));
    for (RuleUnitTest& test : tests) run_test(test, groups, evaluation_interval);
    return {};
  } catch (const Unreadable& unreadable) {
    return unreadable.error;
  }
}

std::string RuleUnitTestFile::with_our_results() const {
  std::string out;
  http::JsonWriter json(out);
  json.begin_object().key("rule_files").begin_array();
  for (const std::string& file : rule_files) json.string(file);
  json.end_array().field("evaluation_interval", milliseconds(evaluation_interval));
  json.key("tests").begin_array();
  for (const RuleUnitTest& test : tests) {
    json.begin_object().field("name", test.name).field("interval", milliseconds(test.interval));
    json.key("input_series").begin_array();
    for (const auto& series : test.series) {
      json.begin_object()
          .field("series", series.series)
          .field("values", series.values)
          .end_object();
    }
    json.end_array();
    write_map(json, "external_labels", test.external_labels);
    json.field("external_url", test.external_url);
    write_checks(json, test);
    json.end_object();
  }
  json.end_array().end_object();
  return out;
}

std::vector<std::string> RuleUnitTestFile::differences() const {
  std::vector<std::string> out;
  for (const RuleUnitTest& test : tests) compare(test, out);
  return out;
}

}  // namespace aerie::alerting::testing
