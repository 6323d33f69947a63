#include "tests/alerting/support/lab.h"

namespace aerie::alerting::testing {

Lab::Lab() {
  options.external_url = "http://aerie.test";
  options.rule_files = {folder.path() + "/rules.yml"};
  build();
}

void Lab::build() {
  metrics = std::make_unique<MetricRegistry>();
  engine = std::make_unique<query::Engine>(query::EngineOptions(), source, clock);
  notifier = std::make_unique<Notifier>(clock, *metrics, delivery_rows);
  notifier->load().ignore("the table is in memory");
  RuleManager::Services services{
      *engine,    [this](const OwnSamples& samples) { return source.write(samples); },
      alert_rows, hold_silent ? &arrivals : nullptr,
      *notifier,  nullptr,
      clock,      *metrics};
  manager = std::make_unique<RuleManager>(std::move(services));
}

Status Lab::load_rules(const std::string& text) {
  const bool whole = text.starts_with("groups:");
  folder.write("rules.yml", whole ? text : "groups:\n- name: g\n  interval: 1m\n  rules:\n" + text);
  return reload();
}

Status Lab::reload() { return manager->reload(options); }

void Lab::step(const std::function<void()>& each) {
  // next_slot() is rounded up: what shall be seen by the evaluation lies a millisecond before.
  const model::TimestampMs slot = manager->next_slot();
  clock.set_ms(slot - 1);
  if (each) each();
  clock.set_ms(slot);
  manager->evaluate_due();
}

void Lab::run_for(model::DurationMs duration, const std::function<void()>& each) {
  const model::TimestampMs end = clock.now_ms() + duration;
  while (manager->next_slot() <= end) step(each);
  clock.set_ms(end);
}

void Lab::restart(model::DurationMs away) {
  manager.reset();
  notifier.reset();
  clock.advance(std::chrono::milliseconds(away));
  build();
  reload().ignore("the files were good before");
}

}  // namespace aerie::alerting::testing
