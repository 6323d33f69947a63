#include "alerting/alert_table.h"

#include "base/log.h"
#include "store/byte_io.h"

namespace aerie::alerting {
namespace {

constexpr std::string_view kAlertPrefix = "a";
constexpr std::string_view kAliveKey = "t/alive";

std::string group_prefix(const std::string& file, const std::string& group) {
  std::string key(kAlertPrefix);
  store::put_bytes(key, file);
  store::put_bytes(key, group);
  return key;
}

std::string rule_prefix(const RuleKey& rule) {
  std::string key = group_prefix(rule.file, rule.group);
  store::put_bytes(key, rule.rule);
  store::put_varint(key, rule.ordinal);
  return key;
}

std::string row_key(std::string prefix, const model::Labels& labels) {
  return std::move(prefix.append(labels.encoded()));
}

}  // namespace

Result<std::vector<Alert>> AlertTable::load(const RuleKey& rule) const {
  auto rows = rows_->scan(rule_prefix(rule));
  if (!rows) return std::move(rows).error().with("load alert state");
  std::vector<Alert> alerts;
  std::vector<std::string> damaged;
  for (const auto& [key, bytes] : *rows) {
    auto alert = decode_alert(bytes);
    if (alert) {
      alerts.push_back(std::move(*alert));
      continue;
    }
    AERIE_LOG(Error, "alert state dropped", {"rule", rule.rule},
              {"reason", alert.error().message()});
    damaged.push_back(key);
  }
  if (!damaged.empty())
    rows_->apply({}, damaged).ignore("the rows are tried again at the next start");
  return alerts;
}

Status AlertTable::apply(const RuleKey& rule, const std::vector<Alert>& changed,
                         const std::vector<model::Labels>& removed) {
  const std::string prefix = rule_prefix(rule);
  std::vector<std::pair<std::string, std::string>> puts;
  std::vector<std::string> removals;
  for (const Alert& alert : changed)
    puts.emplace_back(row_key(prefix, alert.labels), encode_alert(alert));
  for (const model::Labels& labels : removed) removals.push_back(row_key(prefix, labels));
  return rows_->apply(puts, removals);
}

Status AlertTable::replace_group(const std::string& file, const std::string& group,
                                 const std::vector<std::pair<RuleKey, std::vector<Alert>>>& rules) {
  auto old = rows_->scan(group_prefix(file, group));
  if (!old) return std::move(old).error().with("replace alert state");
  std::vector<std::pair<std::string, std::string>> puts;
  std::set<std::string> kept;
  for (const auto& [rule, alerts] : rules) {
    for (const Alert& alert : alerts) {
      puts.emplace_back(row_key(rule_prefix(rule), alert.labels), encode_alert(alert));
      kept.insert(puts.back().first);
    }
  }
  std::vector<std::string> removals;
  for (auto& [key, bytes] : *old) {
    if (kept.count(key) == 0) removals.push_back(std::move(key));
  }
  if (puts.empty() && removals.empty()) return {};
  return rows_->apply(puts, removals);
}

Status AlertTable::keep_groups(const std::set<std::pair<std::string, std::string>>& groups) {
  auto rows = rows_->scan(kAlertPrefix);
  if (!rows) return std::move(rows).error().with("clean alert state");
  std::vector<std::string> removals;
  for (auto& [key, bytes] : *rows) {
    store::ByteReader in(std::string_view(key).substr(kAlertPrefix.size()));
    std::string file(in.sized_bytes());
    std::string group(in.sized_bytes());
    if (groups.count({std::move(file), std::move(group)}) == 0) removals.push_back(std::move(key));
  }
  return removals.empty() ? Status() : rows_->apply({}, removals);
}

Status AlertTable::note_alive(model::TimestampMs t) {
  std::string value;
  store::put_zigzag(value, t);
  return rows_->apply({{std::string(kAliveKey), value}}, {});
}

Result<model::TimestampMs> AlertTable::last_alive() const {
  auto value = rows_->get(kAliveKey);
  if (!value) return std::move(value).error();
  if (!*value) return model::TimestampMs{0};
  return store::ByteReader(**value).zigzag();
}

}  // namespace aerie::alerting
