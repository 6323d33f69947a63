#include "alerting/rule_manager.h"

#include <catch2/catch.hpp>

#include <atomic>
#include <future>
#include <string>
#include <vector>

#include "tests/alerting/support/fake_alertmanager.h"
#include "tests/alerting/support/lab.h"

namespace aerie::alerting {
namespace {

using testing::FakeAlertmanager;
using testing::kMinute;
using testing::Lab;

const model::Labels kBad{{"__name__", "bad"}, {"cluster", "rohan"}, {"job", "a"}};
const model::Labels kAlerts{{"__name__", "ALERTS"},
                            {"alertname", "A"},
                            {"alertstate", "firing"},
                            {"cluster", "rohan"},
                            {"job", "a"}};

struct Delivered {
  explicit Delivered(Lab& lab) : lab_(lab) {
    lab.options.alertmanagers = {{fake.url(), {}, std::chrono::seconds(5)}};
  }
  /// What the Alertmanager has been told since the last call.
  std::vector<testing::PostedAlert> take() {
    lab_.notifier->deliver_once();
    return fake.take();
  }
  FakeAlertmanager fake;

 private:
  Lab& lab_;
};

TEST_CASE("an alert is pending, fires, is delivered, repeated, and resolved") {
  Lab lab;
  Delivered delivered(lab);
  lab.options.external_labels =
      model::Labels{{"region", "north"}, {"job", "never: the alert has one"}};
  REQUIRE(lab.load_rules("  - {alert: A, expr: bad > 0, for: 1m, labels: {severity: page}, "
                         "annotations: {summary: '{{ $value }} bad'}}\n")
              .ok());
  const auto bad = [&] { lab.sample(kBad, 2); };
  lab.step(bad);
  const model::TimestampMs active_at = lab.slot();
  REQUIRE(lab.rule().alerts.size() == 1);
  CHECK(lab.rule().alerts[0].state == AlertState::Pending);
  CHECK(delivered.take().empty());

  lab.step(bad);
  const model::TimestampMs fired_at = lab.slot();
  CHECK(fired_at == active_at + kMinute);
  auto posted = delivered.take();
  REQUIRE(posted.size() == 1);
  CHECK(posted[0].labels == std::map<std::string, std::string>{{"alertname", "A"},
                                                               {"cluster", "rohan"},
                                                               {"job", "a"},
                                                               {"region", "north"},
                                                               {"severity", "page"}});
  CHECK(posted[0].annotations.at("summary") == "2 bad");
  CHECK(posted[0].generator_url == "http://aerie.test/graph?g0.expr=bad+%3E+0&g0.tab=1");
  CHECK(model::parse_timestamp(posted[0].starts_at).value() == fired_at);
  CHECK(model::parse_timestamp(posted[0].ends_at).value() == fired_at + 4 * kMinute);

  lab.step(bad);
  posted = delivered.take();
  REQUIRE(posted.size() == 1);  // every resend delay, not every second one
  CHECK(model::parse_timestamp(posted[0].starts_at).value() == fired_at);

  lab.step([&] { lab.sample(kBad, 0); });
  const model::TimestampMs resolved_at = lab.slot();
  posted = delivered.take();
  REQUIRE(posted.size() == 1);
  CHECK(model::parse_timestamp(posted[0].ends_at).value() == resolved_at);
  CHECK(lab.rule().alerts.empty());

  // Resolved alerts are repeated for 15 minutes, then forgotten.
  int repeats = 0;
  for (int i = 0; i < 20; ++i) {
    lab.step();
    repeats += static_cast<int>(delivered.take().size());
  }
  CHECK(repeats == 15);
  CHECK(lab.alert_rows->rows("a") == 0);
}

TEST_CASE("a restart changes neither states nor times") {
  Lab lab;
  Delivered delivered(lab);
  REQUIRE(lab.load_rules("  - {alert: A, expr: bad > 0}\n"
                         "  - {alert: Slow, expr: bad > 0, for: 5m}\n"
                         "  - {alert: Kept, expr: kept > 0, keep_firing_for: 10m}\n")
              .ok());
  const auto bad = [&] { lab.sample(kBad, 1); };
  lab.step([&] {
    bad();
    lab.sample(model::Labels{{"__name__", "kept"}}, 1);
  });
  const model::TimestampMs first = lab.slot();
  lab.run_for(3 * kMinute, [&] {
    bad();
    lab.sample(model::Labels{{"__name__", "kept"}}, 0);
  });
  CHECK(delivered.take().size() == 2);
  const auto before = lab.manager->groups().at(0)->rules;
  REQUIRE(before[2].alerts.size() == 1);
  CHECK(before[2].alerts[0].keep_firing_since);

  lab.restart(30'000);
  const auto after = lab.manager->groups().at(0)->rules;
  for (size_t i = 0; i < 3; ++i) {
    REQUIRE(after[i].alerts.size() == 1);
    CHECK(after[i].alerts[0].state == before[i].alerts[0].state);
    CHECK(after[i].alerts[0].active_at == before[i].alerts[0].active_at);
    CHECK(after[i].alerts[0].fired_at == before[i].alerts[0].fired_at);
    CHECK(after[i].alerts[0].keep_firing_since == before[i].alerts[0].keep_firing_since);
  }
  lab.run_for(2 * kMinute, bad);
  CHECK(lab.rule(1).alerts.at(0).fired_at ==
        first + 5 * kMinute);  // `for` went on through the restart
  const auto posted = delivered.take();
  REQUIRE(!posted.empty());
  CHECK(model::parse_timestamp(posted[0].starts_at).value() == first);
  lab.run_for(10 * kMinute, bad);
  CHECK(lab.rule(2).alerts.empty());  // keep_firing_for counts from before the restart, too
}

TEST_CASE("an alert that ends while nobody evaluates is resolved at the first evaluation") {
  Lab lab;
  Delivered delivered(lab);
  REQUIRE(lab.load_rules("  - {alert: A, expr: bad > 0}\n").ok());
  lab.step([&] { lab.sample(kBad, 1); });
  CHECK(delivered.take().size() == 1);
  lab.restart(60 * kMinute);
  lab.step();
  const auto posted = delivered.take();
  REQUIRE(posted.size() == 1);
  CHECK(model::parse_timestamp(posted[0].ends_at).value() == lab.slot());
}

TEST_CASE("after a long outage a pending alert begins anew") {
  Lab lab;
  REQUIRE(lab.load_rules("  - {alert: Slow, expr: bad > 0, for: 10m}\n").ok());
  lab.step([&] { lab.sample(kBad, 1); });
  lab.restart(2 * 60 * kMinute);
  CHECK(lab.rule().alerts.empty());
  lab.step([&] { lab.sample(kBad, 1); });
  CHECK(lab.rule().alerts.at(0).active_at == lab.slot());
}

TEST_CASE("alerts of a silent cluster are held, and resolved only when its data says so") {
  Lab lab;
  lab.hold_silent = true;
  lab.restart(0);
  Delivered delivered(lab);
  REQUIRE(lab.load_rules("  - {alert: A, expr: bad > 0}\n").ok());
  const auto arrive = [&](double value) {
    lab.sample(kBad, value);
    lab.arrivals.note("rohan", lab.clock.now_ms());
  };
  lab.run_for(5 * kMinute, [&] { arrive(1); });
  REQUIRE(lab.rule().alerts.size() == 1);
  delivered.take();

  // Nothing arrives for an hour: beyond the lookback the expression has no result, yet the alert
  // stands and is vouched for.
  lab.run_for(60 * kMinute);
  REQUIRE(lab.rule().alerts.size() == 1);
  CHECK(lab.rule().alerts[0].held_since);
  const auto posted = delivered.take();
  REQUIRE(posted.size() == 1);
  CHECK(model::parse_timestamp(posted[0].ends_at).value() > lab.clock.now_ms());
  CHECK(lab.source.newest(kAlerts)->value == 1);

  // A restart meanwhile changes nothing.
  lab.restart(5 * kMinute);
  lab.step();
  CHECK(lab.rule().alerts.size() == 1);

  // It comes back and is well: the alert ends, but not before every series had time to arrive.
  lab.step([&] { lab.arrivals.note("rohan", lab.clock.now_ms()); });
  CHECK(lab.rule().alerts.size() == 1);
  lab.run_for(5 * kMinute, [&] { arrive(0); });
  CHECK(lab.rule().alerts.empty());
  CHECK(delivered.take().size() == 1);
}

TEST_CASE("a failed evaluation resolves nothing and goes on vouching") {
  Lab lab;
  Delivered delivered(lab);
  REQUIRE(lab.load_rules("  - {alert: A, expr: 'bad / on (job) limit > 0'}\n").ok());
  const auto both = [&] {
    lab.sample(kBad, 1);
    lab.sample(model::Labels{{"__name__", "limit"}, {"job", "a"}}, 1);
  };
  lab.step(both);
  CHECK(delivered.take().size() == 1);
  lab.step([&] {
    both();
    lab.sample(model::Labels{{"__name__", "limit"}, {"job", "a"}, {"more", "than one"}}, 1);
  });
  CHECK(lab.rule().health == RuleHealth::Error);
  CHECK(lab.rule().last_error.find("many-to-many") != std::string::npos);
  CHECK(lab.rule().alerts.size() == 1);
  const auto posted = delivered.take();
  REQUIRE(posted.size() == 1);
  CHECK(model::parse_timestamp(posted[0].ends_at).value() > lab.clock.now_ms());
}

TEST_CASE("equal label sets and results above the limit are errors") {
  Lab lab;
  REQUIRE(lab.load_rules("groups:\n- name: g\n  interval: 1m\n  limit: 1\n  rules:\n"
                         "  - {alert: Same, expr: bad > 0, labels: {job: x, cluster: y}}\n"
                         "  - {record: many, expr: bad}\n"
                         "  - {alert: Many, expr: bad > 0}\n"
                         "  - {record: same, expr: bad, labels: {job: x, cluster: y}}\n"
                         "  - {record: text, expr: '\"text\"'}\n")
              .ok());
  lab.step([&] {
    lab.sample(kBad, 1);
    lab.sample(model::Labels{{"__name__", "bad"}, {"job", "b"}}, 1);
  });
  CHECK(lab.rule(0).last_error ==
        "vector contains metrics with the same labelset after applying alert labels");
  CHECK(lab.rule(1).last_error == "exceeded limit of 1 with 2 series");
  CHECK(lab.rule(2).last_error == "exceeded limit of 1 with 2 alerts");
  CHECK(lab.rule(2).alerts.empty());
  CHECK(lab.rule(3).last_error == "exceeded limit of 1 with 2 series");
  CHECK(lab.rule(4).last_error == "rule result is not a vector or scalar");
  CHECK_FALSE(lab.source.newest(model::Labels{{"__name__", "many"}, {"job", "b"}}));
}

TEST_CASE("a reload keeps what did not change and ends what is gone") {
  Lab lab;
  Delivered delivered(lab);
  REQUIRE(
      lab.load_rules("  - {alert: A, expr: bad > 0}\n  - {record: sum, expr: sum(bad)}\n").ok());
  const auto bad = [&] { lab.sample(kBad, 1); };
  lab.step(bad);
  const model::TimestampMs first = lab.slot();
  delivered.take();
  const auto group_before = lab.manager->groups().at(0);

  SECTION("a bad file changes nothing") {
    const auto refused = lab.load_rules("  - {alert: A, expr: 'bad >'}\n");
    CHECK_FALSE(refused.ok());
    CHECK(lab.manager->groups().at(0) == group_before);
    lab.step(bad);
    CHECK(lab.rule().alerts.at(0).fired_at == first);
  }
  SECTION("the same file changes nothing") {
    REQUIRE(lab.reload().ok());
    CHECK(lab.manager->groups().at(0) == group_before);
  }
  SECTION("a changed expression keeps its alerts") {
    REQUIRE(
        lab.load_rules("  - {record: before, expr: '1'}\n  - {alert: A, expr: bad > 0.5}\n").ok());
    lab.step(bad);
    CHECK(lab.rule(1).alerts.at(0).fired_at == first);
    CHECK(model::is_stale(lab.source.newest(model::Labels{{"__name__", "sum"}})->value));
  }
  SECTION("a longer `for` makes it pending again") {
    REQUIRE(lab.load_rules("  - {alert: A, expr: bad > 0, for: 10m}\n").ok());
    lab.step(bad);
    CHECK(lab.rule().alerts.at(0).state == AlertState::Pending);
  }
  SECTION("a removed group leaves stale markers and no state") {
    REQUIRE(lab.load_rules("groups: []\n").ok());
    CHECK(lab.manager->groups().empty());
    CHECK(model::is_stale(lab.source.newest(kAlerts)->value));
    CHECK(lab.alert_rows->rows("a") == 0);
    CHECK(lab.manager->next_slot() == model::kMaxTimestamp);
  }
  SECTION("a new Alertmanager gets everything that fires") {
    FakeAlertmanager second;
    lab.options.alertmanagers.push_back({second.url(), {}, std::chrono::seconds(5)});
    REQUIRE(lab.reload().ok());
    lab.notifier->deliver_once();
    CHECK(second.take().size() == 1);
    CHECK(delivered.fake.take().empty());
  }
}

TEST_CASE("slots keep their phase; those that are missed are skipped and counted") {
  Lab lab;
  REQUIRE(lab.load_rules("  - {record: one, expr: '1'}\n").ok());
  lab.step();
  const model::TimestampMs slot = lab.clock.now_ms();
  CHECK(lab.manager->groups().at(0)->last_evaluation <= slot);
  CHECK(slot - lab.manager->groups().at(0)->last_evaluation <= 1);
  lab.clock.advance(std::chrono::milliseconds(5 * kMinute + 1000));
  CHECK(lab.manager->evaluate_due() == 1);
  CHECK(lab.manager->evaluate_due() == 0);
  CHECK(lab.manager->groups().at(0)->last_evaluation >= slot + 5 * kMinute - 1);
  CHECK(lab.metrics->expose().find("aerie_alerting_group_iterations_missed_total 4") !=
        std::string::npos);
  CHECK(lab.manager->next_slot() == slot + 6 * kMinute);
}

/// A Prometheus 2.42 with a group of its own file and name was seen to write its samples at the
/// phase this formula gives.
TEST_CASE("the phase of a group's slots comes from its file and name") {
  Lab lab;
  RuleMetrics rule_metrics(*lab.metrics);
  RuleEnvironment environment{*lab.engine, {}, {}, {}, nullptr, nullptr, {}, {}, 60'000};
  const auto shared = std::make_shared<const RuleEnvironment>(std::move(environment));
  GroupSpec spec;
  spec.file = "/etc/aerie/rules.yml";
  spec.name = "my group";
  const RuleGroup group(spec, 7'000, shared, lab.clock, rule_metrics);
  CHECK(group.phase_ns() == 3'220'670'218);
}

TEST_CASE("the scheduler runs groups on its pool by itself") {
  Lab lab;
  SystemClock clock;
  WorkPool pool({"rules", 1, 16, 0});
  const query::Engine engine({}, lab.source, clock);
  std::promise<void> written;
  std::atomic<bool> told{false};
  RuleManager::Services services{engine,
                                 [&](const OwnSamples& samples) {
                                   if (!told.exchange(true)) written.set_value();
                                   return lab.source.write(samples);
                                 },
                                 nullptr,
                                 nullptr,
                                 *lab.notifier,
                                 &pool,
                                 clock,
                                 *lab.metrics};
  RuleManager manager(std::move(services));
  lab.folder.write("rules.yml",
                   "groups:\n- {name: g, interval: 100ms, rules: [{record: one, expr: '1'}]}\n");
  REQUIRE(manager.reload(lab.options).ok());
  manager.start();
  CHECK(written.get_future().wait_for(std::chrono::seconds(10)) == std::future_status::ready);
  manager.stop();
  pool.stop();
}

}  // namespace
}  // namespace aerie::alerting
