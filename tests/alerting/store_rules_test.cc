#include <catch2/catch.hpp>

#include <memory>
#include <string>

#include "alerting/rule_manager.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/work_pool.h"
#include "query/engine.h"
#include "store/file_system.h"
#include "store/store.h"
#include "tests/alerting/support/programs.h"

namespace aerie::alerting {
namespace {

/// Everything over a real store in a fresh folder, reopened at will.
struct Bench {
  Bench() { open(); }
  void open() {
    store::StoreOptions options;
    options.path = folder.path() + "/data";
    options.background_seal = false;
    auto opened = store::Store::open(options, clock, files, metrics);
    if (!opened) FAIL(opened.error().message());
    store = std::move(*opened);
    engine = std::make_unique<query::Engine>(query::EngineOptions(), *store, clock);
    auto table = store->table("alerts");
    REQUIRE(table.ok());
    notifier = std::make_unique<Notifier>(clock, metrics, *table);
    auto services = RuleManager::services_of(*store, *engine, *notifier, pool, clock, metrics);
    REQUIRE(services.ok());
    manager = std::make_unique<RuleManager>(std::move(*services));
    AlertingOptions alerting;
    alerting.rule_files = {folder.write("rules.yml",
                                        "groups:\n- name: g\n  interval: 10s\n  rules:\n"
                                        "  - {record: doubled, expr: 'given * 2'}\n"
                                        "  - {record: again, expr: 'doubled + 1'}\n"
                                        "  - {alert: A, expr: 'again > 2', for: 20s}\n"
                                        "  - {record: seen, expr: 'count(ALERTS)'}\n")};
    REQUIRE(manager->reload(alerting).ok());
  }
  void reopen() {
    manager.reset();
    notifier.reset();
    engine.reset();
    store.reset();
    open();
  }
  void step(double given) {
    clock.set_ms(manager->next_slot() - 1);
    REQUIRE(store->write_own({{model::Labels{{"__name__", "given"}}, clock.now_ms(), given}}).ok());
    clock.advance(std::chrono::milliseconds(1));
    manager->evaluate_due();
  }
  double value(const std::string& query) {
    auto result = engine->instant(query, clock.now_ms());
    if (!result) FAIL(result.error().message());
    const auto& vector = std::get<query::VectorValue>(result->value);
    return vector.empty() ? -1 : vector[0].value;
  }

  testing::TemporaryFolder folder;
  ManualClock clock{1'767'225'600'000};
  store::PosixFileSystem files;
  MetricRegistry metrics;
  WorkPool pool{{"rules", 1, 8, 0}};
  std::unique_ptr<store::Store> store;
  std::unique_ptr<query::Engine> engine;
  std::unique_ptr<Notifier> notifier;
  std::unique_ptr<RuleManager> manager;
};

TEST_CASE("over a real store: chains within one evaluation, state and series across a reopening") {
  Bench bench;
  bench.step(1);
  CHECK(bench.value("doubled") == 2);
  CHECK(bench.value("again") == 3);
  CHECK(bench.value("ALERTS{alertstate=\"pending\"}") == 1);
  CHECK(bench.value("seen") == 1);
  const auto active_at = bench.manager->groups().at(0)->rules.at(2).alerts.at(0).active_at;
  bench.reopen();
  CHECK(bench.value("again") == 3);
  REQUIRE(bench.manager->groups().at(0)->rules.at(2).alerts.size() == 1);
  CHECK(bench.manager->groups().at(0)->rules.at(2).alerts[0].active_at == active_at);
  bench.step(5);
  bench.step(5);
  CHECK(bench.value("ALERTS{alertstate=\"firing\"}") == 1);
  CHECK(bench.value("ALERTS{alertstate=\"pending\"}") == -1);
  REQUIRE(bench.store->flush().ok());
  CHECK(bench.value("again") == 11);
  bench.step(0);
  CHECK(bench.value("ALERTS") == -1);
  // Own series are nobody's arrival.
  CHECK(bench.store->arrivals().all().empty());
}

}  // namespace
}  // namespace aerie::alerting
