#include "ingest/remote_write_api.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "tests/ingest/support/api_bench.h"

using namespace aerie;
using namespace aerie::ingest;
using namespace aerie::ingest::test;

TEST_CASE("an HA pair: one is stored, the other acknowledged, failover without doubling") {
  Bench bench;
  const auto send = [&](const std::string& replica, model::TimestampMs t) {
    return bench
        .post(write_body(
            {up("eu", t, 1, {{"prometheus", "mon/k8s"}, {"prometheus_replica", replica}})}))
        .status;
  };
  // Five seconds between scrapes; b two seconds behind a.
  for (int i = 0; i < 40; ++i) {
    REQUIRE(send("a", bench.clock.now_ms()) == 204);
    bench.clock.advance(std::chrono::milliseconds(2000));
    REQUIRE(send("b", bench.clock.now_ms()) == 204);
    bench.clock.advance(std::chrono::milliseconds(3000));
  }
  CHECK(bench.store.floats().size() == 40);
  CHECK(bench.store.floats()[0].series == "up{cluster=\"eu\", prometheus=\"mon/k8s\"}");
  for (int i = 0; i < 10; ++i) {
    bench.clock.advance(std::chrono::milliseconds(5000));
    REQUIRE(send("b", bench.clock.now_ms() - 3000) == 204);
  }
  const auto floats = bench.store.floats();
  CHECK(floats.size() >= 45);  // of ten scrapes every second, for the fake store believes in 15 s
  for (size_t i = 1; i < floats.size(); ++i) {
    if (floats[i].t <= floats[i - 1].t) FAIL("time went back");
    // The rule without a learned interval: 7.5 s, and up to one scrape more.
    if (floats[i].t - floats[i - 1].t > 12'500) FAIL("gap");
  }
  const auto status = bench.api->status();
  REQUIRE(status.size() == 1);
  REQUIRE(status[0].elections.size() == 1);
  CHECK(status[0].elections[0].replica == "b");
  CHECK(status[0].counts.deduplicated >= 40);
  CHECK(bench.store.table("ha_elections").value()->scan({}).value().size() == 1);
  CHECK(bench.metrics.expose().find("aerie_ingest_ha_switches_total 1") != std::string::npos);
}

TEST_CASE("a request may mix replicas and clusters") {
  Bench bench;
  const auto body = [&](model::TimestampMs t) {
    return write_body({up("eu", t, 1, {{"__replica__", "a"}}),
                       up("eu", t + 1, 2, {{"__replica__", "b"}}),
                       up("us", t, 3, {{"__replica__", "b"}}), up("us", t, 4, {{"x", "y"}})});
  };
  REQUIRE(bench.post(body(kNow)).status == 204);
  REQUIRE(bench.post(body(kNow + 15'000)).status == 204);
  const auto floats = bench.store.floats();
  REQUIRE(floats.size() == 6);
  CHECK(floats[3].value == 1);
  CHECK(floats[4].value == 3);
  CHECK(floats[5].value == 4);
}

TEST_CASE("a standby is kept unread, and what it has for others is found all the same") {
  Bench bench;
  const auto body = [&](const std::string& replica, int scrape, bool foreign) {
    const model::TimestampMs t = bench.clock.now_ms();
    std::vector<TestSeries> series;
    for (int i = 0; i < 40; ++i) {
      series.push_back(up("eu", t, scrape,
                          {{"instance", std::string(200, 'x') + std::to_string(i)},
                           {"prometheus_replica", replica}}));
    }
    // Behind the beginning, of nobody's replica, and only the standby has it.
    if (foreign) series.push_back(up("eu", t, scrape, {{"instance", "federated"}}));
    return write_body(series);
  };
  const auto foreign_rows = [&] {
    std::set<model::TimestampMs> times;
    for (const auto& row : bench.store.floats()) {
      if (row.series.find("federated") != std::string::npos) times.insert(row.t);
    }
    return times.size();
  };
  const auto unread = [&] {
    const std::string text = bench.metrics.expose();
    const std::string name = "\naerie_ingest_standby_unread_total ";
    return std::stoi(text.substr(text.find(name) + name.size()));
  };
  for (int i = 0; i < 20; ++i) {
    REQUIRE(bench.post(body("a", i, false)).status == 204);
    REQUIRE(bench.post(body("b", i, false)).status == 204);
    bench.clock.advance(std::chrono::seconds(1));
  }
  CHECK(unread() == 12);
  auto status = bench.api->status();
  CHECK(status[0].counts.written == 800);
  CHECK(status[0].counts.deduplicated >= 780);
  CHECK(status[0].counts.deduplicated <= 820);
  CHECK(status[0].elections.at(0).replica == "a");
  int sent = 0;
  while (foreign_rows() == 0) {
    REQUIRE(bench.post(body("a", 20 + sent, false)).status == 204);
    REQUIRE(bench.post(body("b", 20 + sent, true)).status == 204);
    bench.clock.advance(std::chrono::seconds(1));
    REQUIRE(++sent <= 32);
  }
  CHECK(foreign_rows() == static_cast<size_t>(sent));  // those that were not read as well
  const int before = unread();
  REQUIRE(bench.post(body("b", 50, true)).status == 204);
  CHECK(unread() == before);
}

TEST_CASE(
    "an unlabelled pair is told to the store once it is seen, or when the configuration says so") {
  Bench bench;
  std::vector<TestSeries> scrape;
  const auto send = [&](model::TimestampMs t) {
    scrape.clear();
    for (int i = 0; i < 200; ++i)
      scrape.push_back(up("eu", t + i, 1, {{"instance", std::to_string(i)}}));
    REQUIRE(bench.post(write_body(scrape)).status == 204);
  };
  send(kNow);
  CHECK(bench.store.last_policy() == store::ReplicaPolicy::SingleSender);
  for (int i = 1; i < 12; ++i) {
    send(kNow + i * 15'000);
    send(kNow + i * 15'000 + 4'000);
  }
  CHECK(bench.store.last_policy() == store::ReplicaPolicy::UnlabelledPair);
  CHECK(bench.api->status()[0].unlabelled_pair);

  IngestOptions always;
  always.clusters = {
      {.name = "eu", .token_sha256 = {kTokenA}, .unlabelled_pairs = UnlabelledPairs::Always}};
  Bench configured(always);
  REQUIRE(configured.post(write_body({up("eu", kNow, 1)}), bearer("secret-a")).status == 204);
  CHECK(configured.store.last_policy() == store::ReplicaPolicy::UnlabelledPair);
}
