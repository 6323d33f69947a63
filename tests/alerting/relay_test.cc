#include "alerting/relay.h"

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/alerting/support/fake_alertmanager.h"
#include "tests/alerting/support/memory_source.h"
#include "tests/alerting/support/programs.h"

namespace aerie::alerting {
namespace {

constexpr model::TimestampMs kNow = 1'767'225'600'000;

/// A relay with one Alertmanager behind it, on a clock that stands still.
struct Bench {
  ManualClock clock{kNow};
  MetricRegistry metrics;
  std::shared_ptr<testing::MemoryTable> rows = std::make_shared<testing::MemoryTable>();
  store::Arrivals arrivals{clock};
  testing::FakeAlertmanager fake;
  std::unique_ptr<Notifier> notifier;
  std::unique_ptr<AlertRelay> relay;

  Bench() { restart(); }
  void restart() {
    relay.reset();
    notifier = std::make_unique<Notifier>(clock, metrics, nullptr);
    notifier->configure({{fake.url(), {}, std::chrono::seconds(5)}}, {});
    relay = std::make_unique<AlertRelay>(
        AlertRelay::Services{clock, metrics, *notifier, rows, &arrivals});
    CHECK(relay->load().ok());
  }
  http::Response post(const std::string& body, const std::string& token = {},
                      const std::string& from = "10.0.0.1:5") {
    http::Request request;
    request.method = http::Method::Post;
    request.body = body;
    request.remote_address = from;
    if (!token.empty()) request.headers.set("Authorization", "Bearer " + token);
    return relay->receive(request);
  }
  std::vector<testing::PostedAlert> delivered() {
    while (notifier->deliver_once() > 0) {
    }
    return fake.take();
  }
};

std::string body_of(const std::string& labels, model::TimestampMs ends_at) {
  return fmt::format(
      R"([{{"labels":{},"annotations":{{"summary":"s"}},"startsAt":"2025-12-31T23:00:00.123456789+01:00",)"
      R"("endsAt":"{}","generatorURL":"http://member/graph","unknown":1}}])",
      labels, model::format_rfc3339(ends_at));
}

TEST_CASE("an alert of a member is stamped with its identity and forwarded") {
  Bench bench;
  RelayOptions options;
  options.identify = [](const http::Request& request) -> std::optional<ClusterIdentity> {
    const std::string_view token = request.bearer_token();
    if (token == "rohan's") return ClusterIdentity{"rohan", "prod", "eu-1"};
    return std::nullopt;
  };
  bench.relay->configure(options);
  const std::string body = body_of(
      R"({"alertname":"A","cluster":"lie","zone":"eu-1","prometheus_replica":"p-0","empty":""})",
      kNow + 240'000);
  CHECK(bench.post(body, "wrong").status == 401);
  CHECK(bench.post(body).status == 401);
  CHECK(bench.delivered().empty());
  CHECK(bench.post(body, "rohan's").status == 200);
  const auto posted = bench.delivered();
  REQUIRE(posted.size() == 1);
  for (const auto& [name, value] : posted[0].labels) UNSCOPED_INFO(name << "=" << value);
  CHECK(posted[0].labels == std::map<std::string, std::string>{{"alertname", "A"},
                                                               {"cluster", "rohan"},
                                                               {"environment", "prod"},
                                                               {"exported_cluster", "lie"},
                                                               {"zone", "eu-1"}});
  CHECK(posted[0].starts_at == "2025-12-31T22:00:00.123Z");
  CHECK(posted[0].generator_url == "http://member/graph");
  CHECK(posted[0].annotations.at("summary") == "s");
}

TEST_CASE("without bindings labels stay as they were sent, but for the replica's") {
  Bench bench;
  CHECK(bench.post(body_of(R"({"alertname":"A","cluster":"c","__replica__":"x"})", kNow + 240'000))
            .status == 200);
  const auto posted = bench.delivered();
  REQUIRE(posted.size() == 1);
  CHECK(posted[0].labels ==
        std::map<std::string, std::string>{{"alertname", "A"}, {"cluster", "c"}});
}

TEST_CASE("any replica that fires counts, whatever the other says") {
  Bench bench;
  const auto say = [&](const std::string& replica, bool fires) {
    const std::string labels = R"({"alertname":"A","prometheus_replica":")" + replica + "\"}";
    CHECK(bench.post(body_of(labels, bench.clock.now_ms() + (fires ? 240'000 : 0))).status == 200);
    return bench.delivered();
  };
  const auto fires = [&](const std::vector<testing::PostedAlert>& posted) {
    REQUIRE(posted.size() == 1);
    return model::parse_timestamp(posted[0].ends_at).value() > bench.clock.now_ms();
  };
  CHECK(fires(say("a", true)));
  for (int i = 0; i < 4; ++i) {
    bench.clock.advance(std::chrono::seconds(30));
    CHECK(fires(say("b", false)));
    CHECK(fires(say("a", true)));
  }
  CHECK(bench.relay->firing().size() == 1);
  CHECK_FALSE(fires(say("a", false)));
  CHECK(bench.relay->firing().empty());

  // a fires again and is killed: b decides when a's time is over.
  say("a", true);
  bench.clock.advance(std::chrono::seconds(120));
  CHECK(fires(say("b", false)));
  bench.clock.advance(std::chrono::seconds(121));
  CHECK_FALSE(fires(say("b", false)));
}

TEST_CASE("replicas without a label are told apart by their address") {
  Bench bench;
  bench.post(body_of(R"({"alertname":"A"})", kNow + 240'000), "", "10.0.0.1:41000");
  bench.post(body_of(R"({"alertname":"A"})", kNow), "", "10.0.0.2:41000");
  CHECK(bench.relay->firing().size() == 1);
  bench.post(body_of(R"({"alertname":"A"})", kNow), "", "10.0.0.1:42000");
  CHECK(bench.relay->firing().empty());
}

TEST_CASE("what was answered with 200 survives a restart") {
  Bench bench;
  bench.post(body_of(R"({"alertname":"A"})", kNow + 240'000));
  bench.post(body_of(R"({"alertname":"B"})", kNow + 240'000));
  bench.post(body_of(R"({"alertname":"B"})", kNow));
  bench.clock.advance(std::chrono::minutes(10));
  bench.restart();
  const auto posted = bench.delivered();
  REQUIRE(posted.size() == 2);
  CHECK(posted[0].labels.at("alertname") == "A");
  CHECK(model::parse_timestamp(posted[0].starts_at).value() ==
        model::parse_timestamp("2025-12-31T22:00:00.123Z").value());
  CHECK(model::parse_timestamp(posted[0].ends_at).value() == bench.clock.now_ms() + 300'000);
  CHECK(posted[1].ends_at == "2026-01-01T00:00:00.000Z");
  // Renewals alone are not written.
  bench.clock.advance(std::chrono::minutes(20));
  bench.relay->tick();
  CHECK(bench.rows->rows("r") == 0);
}

TEST_CASE("the alerts of a cluster that falls silent are vouched for") {
  Bench bench;
  const std::string labels = R"({"alertname":"A","cluster":"rohan"})";
  const auto every_10_s = [&](int seconds, const std::function<void()>& each) {
    for (int i = 0; i < seconds / 10; ++i) {
      bench.clock.advance(std::chrono::seconds(10));
      if (each) each();
      bench.relay->tick();
    }
  };
  const auto alive = [&] { bench.arrivals.note("rohan", bench.clock.now_ms()); };
  every_10_s(120, alive);
  bench.post(body_of(labels, bench.clock.now_ms() + 240'000));
  every_10_s(3600, {});
  CHECK(bench.relay->firing().size() == 1);
  const auto posted = bench.delivered();
  REQUIRE(posted.size() == 1);
  CHECK(model::parse_timestamp(posted[0].ends_at).value() > bench.clock.now_ms());
  // It speaks again, but of this alert no more: it ends by itself.
  every_10_s(420, alive);
  CHECK(bench.relay->firing().empty());
}

/// What is answered to whom; Debian's Alertmanager is asked the same.
const std::vector<std::pair<std::string, std::string>> kRequests = {
    {"valid", R"([{"labels":{"alertname":"A"}}])"},
    {"valid, all fields",
     R"([{"labels":{"a":"b"},"annotations":{"x":"y"},"startsAt":"2026-01-01T00:00:00Z","endsAt":"2026-01-01T03:00:00.5+02:00","generatorURL":"http://x/y"}])"},
    {"none", "[]"},
    {"empty labels", R"([{"labels":{}}])"},
    {"only empty labels", R"([{"labels":{"a":""}}])"},
    {"some invalid", R"([{"labels":{"alertname":"A"}},{"labels":{}}])"},
    {"ends before it starts",
     R"([{"labels":{"a":"b"},"startsAt":"2026-01-02T00:00:00Z","endsAt":"2026-01-01T00:00:00Z"}])"},
    {"no labels", R"([{"annotations":{"a":"b"}}])"},
    {"labels null", R"([{"labels":null}])"},
    {"broken", R"([{"labels":)"},
    {"not an array", R"({"labels":{"a":"b"}})"},
    {"bad time", R"([{"labels":{"a":"b"},"startsAt":"yesterday"}])"},
    {"label not a text", R"([{"labels":{"a":1}}])"},
};

TEST_CASE("requests are answered as an Alertmanager answers them") {
  Bench bench;
  std::map<std::string, int> ours;
  for (const auto& [name, body] : kRequests) ours[name] = bench.post(body).status;
  CHECK(ours["valid"] == 200);
  CHECK(ours["valid, all fields"] == 200);
  CHECK(ours["none"] == 200);
  CHECK(ours["empty labels"] == 400);
  CHECK(ours["some invalid"] == 400);
  CHECK(ours["no labels"] == 422);
  CHECK(ours["broken"] == 400);
  // "A" and "a=b"; the valid ones of a partly invalid request are taken.
  CHECK(bench.relay->firing().size() == 2);

  const auto alertmanager = testing::RealAlertmanager::start();
  if (!alertmanager) return;
  http::Client client;
  for (const auto& [name, body] : kRequests) {
    INFO(name << " " << body);
    http::ClientRequest request;
    request.method = http::Method::Post;
    request.url = alertmanager->url() + "/api/v2/alerts";
    request.headers.set("Content-Type", "application/json");
    request.body = body;
    auto answer = client.send(request);
    for (int i = 0; i < 200 && !answer; ++i) {  // it may not be up yet
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      answer = client.send(request);
    }
    REQUIRE(answer.ok());
    INFO(answer->body);
    CHECK(answer->status == ours[name]);
  }
}

TEST_CASE("the status is what amtool wants to see") {
  Bench bench;
  const auto amtool = testing::find_program("amtool");
  WorkPool pool({"api", 1, 16, 0});
  http::Router router;
  register_relay_routes(router, pool, *bench.relay, bench.clock);
  http::Server::Options options;
  options.listen_address = "127.0.0.1:0";
  const auto server = http::Server::start(options, router, bench.metrics);
  REQUIRE(server.ok());
  if (!amtool) return;
  const std::string url =
      "--alertmanager.url=http://127.0.0.1:" + std::to_string((*server)->port());
  const auto added =
      testing::run_program({*amtool, url, "alert", "add", "FromAmtool", "severity=page",
                            "--annotation=a=b", "--generator-url=http://g"});
  INFO(added.output);
  CHECK(added.exit_code == 0);
  const auto posted = bench.delivered();
  REQUIRE(posted.size() == 1);
  CHECK(posted[0].labels.at("alertname") == "FromAmtool");
  CHECK(posted[0].labels.at("severity") == "page");
}

}  // namespace
}  // namespace aerie::alerting
