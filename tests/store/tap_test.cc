#include "store/tap.h"

#include <catch2/catch.hpp>

#include "model/sample.h"
#include "store/series_index.h"

namespace aerie::store {
namespace {

struct Fixture {
  model::Labels labels(std::string_view name, std::string_view pod,
                       std::string_view instance = "a") {
    return model::Labels{{"__name__", name},
                         {"cluster", "gondor"},
                         {"job", "ksm"},
                         {"instance", instance},
                         {"pod", pod}};
  }
  void write(const model::Labels& series, model::TimestampMs t, double value) {
    WriteBatch batch;
    batch.floats.push_back({index.resolve(series), t, value});
    tap.note(batch, index);
  }
  std::vector<double> taken() {
    std::vector<double> values;
    for (const auto& event : tap.take().events) values.push_back(event.value);
    return values;
  }
  SeriesIndex index;
  Tap tap{[](std::string_view name) {
            if (name == "up") return Tap::Interest::Changes;
            return name.starts_with("kube_") ? Tap::Interest::ChangesAndClock : Tap::Interest::None;
          },
          4};
};

using Values = std::vector<double>;

TEST_CASE_METHOD(Fixture, "only what is listened to, and only what changes") {
  const auto ready = labels("kube_pod_ready", "p");
  const auto other = labels("node_load1", "p");
  write(ready, 100, 1);
  write(other, 100, 1);
  CHECK(taken() == Values{1});
  write(ready, 115, 1);  // a scrape begins: its clock is told once
  CHECK(taken() == Values{1});
  const auto phase = labels("kube_pod_phase", "p");
  write(phase, 115, 5);
  CHECK(taken() == Values{5});
  write(ready, 130, 1);
  write(phase, 130, 5);
  CHECK(taken() == Values{1});
  write(ready, 145, 0);
  write(phase, 145, 6);
  CHECK(taken() == Values{0, 6});
  CHECK(taken().empty());
}

TEST_CASE_METHOD(Fixture, "targets have clocks of their own; what is older is passed over") {
  write(labels("kube_a", "p", "a"), 100, 1);
  write(labels("kube_a", "p", "b"), 90, 1);
  taken();
  write(labels("kube_a", "p", "b"), 105, 1);
  write(labels("kube_a", "p", "a"), 95, 7);
  CHECK(taken() == Values{1});
}

TEST_CASE_METHOD(Fixture, "of some series changes alone are of interest") {
  const auto up = labels("up", "p");
  write(up, 100, 1);
  CHECK(taken() == Values{1});
  write(up, 115, 1);
  CHECK(taken().empty());
  write(up, 130, 0);
  CHECK(taken() == Values{0});
}

TEST_CASE_METHOD(Fixture, "many new series cost as much each as few") {
  Tap quiet{[](std::string_view) { return Tap::Interest::None; }};
  WriteBatch batch;
  for (uint32_t i = 0; i < 300'000; ++i)
    batch.floats.push_back({index.resolve(labels("node_x", std::to_string(i))), 100, 1});
  quiet.note(batch, index);  // quadratic growth of a table would take minutes here
  CHECK(quiet.take().events.empty());
}

TEST_CASE_METHOD(Fixture, "a stale marker is told once") {
  const auto series = labels("kube_a", "p");
  write(series, 100, 1);
  taken();
  write(series, 115, model::stale_marker());
  REQUIRE(tap.take().events.size() == 1);
  write(labels("kube_b", "p"), 130, 1);
  taken();
  write(series, 130, model::stale_marker());
  CHECK(taken().empty());
}

TEST_CASE_METHOD(Fixture, "a slot given to another series is looked at anew") {
  const auto first = labels("kube_a", "p");
  write(first, 100, 1);
  taken();
  const auto handle = index.resolve(first);
  index.remove({handle.slot});
  index.reuse_removed();
  write(labels("node_x", "p"), 200, 1);
  CHECK(taken().empty());
}

TEST_CASE_METHOD(Fixture, "a cluster of which too much waits is named instead") {
  for (int i = 0; i < 6; ++i)
    write(labels("kube_a", std::string(1, static_cast<char>('a' + i))), 100, i);
  const auto events = tap.take();
  CHECK(events.events.size() == 4);
  CHECK(events.lost == std::vector<std::string>{"gondor"});
  CHECK(tap.take().lost.empty());
}

}  // namespace
}  // namespace aerie::store
