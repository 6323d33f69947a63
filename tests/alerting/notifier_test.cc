#include "alerting/notifier.h"

#include <catch2/catch.hpp>

#include <chrono>
#include <future>
#include <set>
#include <string>
#include <thread>

#include "tests/alerting/support/fake_alertmanager.h"
#include "tests/alerting/support/memory_source.h"
#include "tests/alerting/support/programs.h"

namespace aerie::alerting {
namespace {

using testing::FakeAlertmanager;

constexpr model::TimestampMs kNow = 1'767'225'600'000;

OutgoingAlert alert_of(const std::string& name, bool resolved = false,
                       model::TimestampMs now = kNow) {
  OutgoingAlert alert;
  alert.labels = model::Labels{{"alertname", name}};
  alert.annotations = {{"summary", "text of " + name}};
  alert.starts_at = now - 60'000;
  alert.ends_at = resolved ? now : now + 240'000;
  alert.resolved = resolved;
  alert.generator_url = "http://aerie.test/graph?g0.expr=up&g0.tab=1";
  return alert;
}

AlertmanagerTarget target(const std::string& url) { return {url, {}, std::chrono::seconds(2)}; }

std::multiset<std::string> names(const std::vector<testing::PostedAlert>& alerts) {
  std::multiset<std::string> found;
  for (const auto& alert : alerts) found.insert(alert.labels.at("alertname"));
  return found;
}

struct Bench {
  ManualClock clock{kNow};
  MetricRegistry metrics;
  std::shared_ptr<testing::MemoryTable> rows = std::make_shared<testing::MemoryTable>();
  std::unique_ptr<Notifier> notifier = std::make_unique<Notifier>(clock, metrics, rows);
  void restart() {
    notifier.reset();
    notifier = std::make_unique<Notifier>(clock, metrics, rows);
    CHECK(notifier->load().ok());
  }
};

TEST_CASE("what is sent has Alertmanager's shape") {
  Bench bench;
  FakeAlertmanager fake;
  bench.notifier->configure({target(fake.url())}, model::Labels{{"region", "north"}});
  bench.notifier->submit({alert_of("A")});
  CHECK(bench.notifier->deliver_once() == 1);
  const auto posted = fake.take();
  REQUIRE(posted.size() == 1);
  CHECK(posted[0].labels.at("region") == "north");
  CHECK(posted[0].annotations.at("summary") == "text of A");
  CHECK(posted[0].starts_at == "2025-12-31T23:59:00.000Z");
  CHECK(posted[0].ends_at == "2026-01-01T00:04:00.000Z");
  CHECK(bench.notifier->deliver_once() == 0);
}

TEST_CASE("an Alertmanager that is down gets the newest state of everything when it returns") {
  Bench bench;
  FakeAlertmanager fake;
  bench.notifier->configure({target(fake.url())}, {});
  fake.answer_with(500);
  bench.notifier->submit({alert_of("A"), alert_of("B")});
  CHECK(bench.notifier->deliver_once() == 0);
  CHECK(bench.notifier->targets().at(0).last_error.find("answered 500") != std::string::npos);
  bench.notifier->submit({alert_of("C")});
  CHECK(bench.notifier->deliver_once() == 0);
  CHECK(fake.requests() == 1);  // it waits before it tries again
  bench.notifier->submit({alert_of("B", /*resolved=*/true)});
  fake.answer_with(200);
  bench.clock.advance(std::chrono::seconds(20));
  CHECK(bench.notifier->deliver_once() == 1);
  const auto posted = fake.take();
  CHECK(names(posted) == std::multiset<std::string>{"A", "B", "C"});
  for (const auto& alert : posted) {
    if (alert.labels.at("alertname") == "B") CHECK(alert.ends_at == "2026-01-01T00:00:00.000Z");
  }
}

TEST_CASE("one dead Alertmanager delays no other") {
  Bench bench;
  FakeAlertmanager alive;
  bench.notifier->configure({target("http://127.0.0.1:1"), target(alive.url())}, {});
  bench.notifier->submit({alert_of("A")});
  CHECK(bench.notifier->deliver_once() == 1);
  CHECK(alive.take().size() == 1);
  const auto targets = bench.notifier->targets();
  CHECK(targets[0].pending == 1);
  CHECK(targets[1].pending == 0);
}

TEST_CASE("the one alert that is refused does not keep the others back") {
  Bench bench;
  FakeAlertmanager fake;
  fake.refuse_alert("bad-7");
  bench.notifier->configure({target(fake.url())}, {});
  std::vector<OutgoingAlert> alerts;
  for (int i = 0; i < 20; ++i)
    alerts.push_back(alert_of((i == 7 ? "bad-" : "good-") + std::to_string(i)));
  bench.notifier->submit(std::move(alerts));
  for (int i = 0; i < 20; ++i) bench.notifier->deliver_once();
  const auto posted = names(fake.take());
  CHECK(posted.size() == 19);
  CHECK(posted.count("bad-7") == 0);
  CHECK(bench.notifier->targets().at(0).pending == 0);
}

TEST_CASE("more alerts than fit into one request") {
  Bench bench;
  FakeAlertmanager fake;
  bench.notifier->configure({target(fake.url())}, {});
  std::vector<OutgoingAlert> alerts;
  for (int i = 0; i < 600; ++i) alerts.push_back(alert_of("A" + std::to_string(i)));
  bench.notifier->submit(std::move(alerts));
  while (bench.notifier->deliver_once() > 0) {
  }
  CHECK(fake.requests() == 3);
  CHECK(names(fake.take()).size() == 600);
}

TEST_CASE("what was not delivered survives a restart") {
  Bench bench;
  FakeAlertmanager fake;
  bench.notifier->configure({target("http://127.0.0.1:1")}, {});
  bench.notifier->submit(
      {alert_of("fires"), alert_of("over", /*resolved=*/true), alert_of("lapsed")});
  bench.notifier->deliver_once();
  bench.notifier->submit({alert_of("fires"), alert_of("over", /*resolved=*/true)});
  CHECK(bench.rows->rows("d") == 3);
  bench.clock.advance(std::chrono::minutes(2));
  bench.restart();
  bench.notifier->configure({target(fake.url())}, {});
  CHECK(bench.notifier->deliver_once() == 1);
  CHECK(names(fake.take()) == std::multiset<std::string>{"fires", "lapsed", "over"});
  CHECK(bench.rows->rows("d") == 2);  // the resolved one is settled

  // A firing alert that nobody vouches for any more is left to end by itself.
  bench.clock.advance(std::chrono::minutes(10));
  bench.restart();
  CHECK(bench.rows->rows("d") == 0);
  bench.notifier->configure({target(fake.url())}, {});
  CHECK(bench.notifier->deliver_once() == 0);
}

TEST_CASE("threads deliver by themselves and stop at once") {
  SystemClock clock;
  MetricRegistry metrics;
  FakeAlertmanager fake;
  Notifier notifier(clock, metrics, nullptr);
  notifier.configure({target(fake.url())}, {});
  notifier.start();
  notifier.submit({alert_of("A", false, clock.now_ms())});
  const int64_t deadline = clock.now_ms() + 10'000;
  while (notifier.targets().at(0).pending > 0 && clock.now_ms() < deadline)
    std::this_thread::yield();
  CHECK(names(fake.take()) == std::multiset<std::string>{"A"});
  // 192.0.2.0/24 is for documentation: nobody answers there.
  notifier.configure({{"http://192.0.2.1:9093", {}, std::chrono::seconds(60)}}, {});
  notifier.submit({alert_of("B", false, clock.now_ms())});
  const int64_t stopping = clock.now_ms();
  notifier.stop();
  CHECK(clock.now_ms() - stopping < 4'000);
}

TEST_CASE("Debian's Alertmanager takes our alerts and lets go of resolved ones") {
  const auto alertmanager = testing::RealAlertmanager::start();
  if (!alertmanager) return;
  SystemClock clock;
  MetricRegistry metrics;
  Notifier notifier(clock, metrics, nullptr);
  notifier.configure({target(alertmanager->url())}, {});
  notifier.start();  // it may not be up yet: delivery is tried again
  notifier.submit({alert_of("A", false, clock.now_ms()), alert_of("B", false, clock.now_ms())});
  http::Client client;
  const auto active = [&] {
    http::ClientRequest request;
    request.url = alertmanager->url() + "/api/v2/alerts?active=true";
    const auto answer = client.send(request);
    return answer && answer->status == 200 ? names(testing::parse_posted(answer->body))
                                           : std::multiset<std::string>();
  };
  const auto eventually = [&](const std::multiset<std::string>& wanted) {
    const int64_t deadline = clock.now_ms() + 30'000;
    while (clock.now_ms() < deadline) {
      if (active() == wanted) return true;
      std::this_thread::sleep_for(
          std::chrono::milliseconds(50));  // another process: nothing to wait on
    }
    return false;
  };
  CHECK(eventually({"A", "B"}));
  notifier.submit({alert_of("A", /*resolved=*/true, clock.now_ms())});
  CHECK(eventually({"B"}));
}

}  // namespace
}  // namespace aerie::alerting
