#include "tests/clusters/support/script.h"

#include <fmt/core.h>

#include <algorithm>

#include <sstream>
#include <utility>

namespace aerie::clusters::testing {

namespace {

constexpr model::DurationMs kStep = 5'000;  // how often the product evaluates

std::vector<std::string> split(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::map<std::string, std::string> fields_of(const std::vector<std::string>& words, size_t from) {
  std::map<std::string, std::string> fields;
  for (size_t i = from; i < words.size(); ++i) {
    const size_t equals = words[i].find('=');
    fields[words[i].substr(0, equals)] =
        equals == std::string::npos ? "" : words[i].substr(equals + 1);
  }
  return fields;
}

model::DurationMs duration(const std::string& text) {
  auto parsed = model::parse_duration(text == "0" ? "0s" : text);
  return parsed ? *parsed : -1;
}

}  // namespace

void Script::fail(const std::string& what) {
  failures_.push_back(fmt::format("{}:{}: {}", name_, line_, what));
}

void Script::put(const std::string& metric, const std::map<std::string, std::string>& labels,
                 double value) {
  Series series;
  series.labels = labels;
  series.labels["__name__"] = metric;
  series.labels["cluster"] = "rohan";
  series.labels["environment"] = "production";
  series.labels["job"] = "kube-state-metrics";
  series.labels["instance"] = "ksm:8080";
  series.labels.emplace("namespace", space_);
  series.value = value;
  std::string key = metric;
  for (const auto& [name, text] : series.labels) {
    if (name != "reason" || metric == "kube_pod_container_status_waiting_reason")
      key += "|" + name + "=" + text;
  }
  series_[key] = series;
}

namespace {

using MetricNames = std::map<std::string, std::string>;

const MetricNames& metric_names(Kind kind) {
  static const MetricNames kDeployment = {
      {"spec", "kube_deployment_spec_replicas"},
      {"generation", "kube_deployment_metadata_generation"},
      {"observed", "kube_deployment_status_observed_generation"},
      {"replicas", "kube_deployment_status_replicas"},
      {"ready", "kube_deployment_status_replicas_ready"},
      {"available", "kube_deployment_status_replicas_available"},
      {"updated", "kube_deployment_status_replicas_updated"},
      {"paused", "kube_deployment_spec_paused"},
      {"deletion", "kube_deployment_deletion_timestamp"}};
  static const MetricNames kRollout = {{"spec", "rollout_info_replicas_desired"},
                                       {"available", "rollout_info_replicas_available"},
                                       {"updated", "rollout_info_replicas_updated"}};
  static const MetricNames kStatefulSet = {
      {"spec", "kube_statefulset_replicas"},
      {"generation", "kube_statefulset_metadata_generation"},
      {"observed", "kube_statefulset_status_observed_generation"},
      {"replicas", "kube_statefulset_status_replicas"},
      {"ready", "kube_statefulset_status_replicas_ready"},
      {"available", "kube_statefulset_status_replicas_available"},
      {"updated", "kube_statefulset_status_replicas_updated"}};
  static const MetricNames kDaemonSet = {
      {"spec", "kube_daemonset_status_desired_number_scheduled"},
      {"generation", "kube_daemonset_metadata_generation"},
      {"observed", "kube_daemonset_status_observed_generation"},
      {"replicas", "kube_daemonset_status_current_number_scheduled"},
      {"ready", "kube_daemonset_status_number_ready"},
      {"available", "kube_daemonset_status_number_available"},
      {"updated", "kube_daemonset_status_updated_number_scheduled"}};
  switch (kind) {
    case Kind::Deployment: return kDeployment;
    case Kind::Rollout: return kRollout;
    case Kind::StatefulSet: return kStatefulSet;
    case Kind::DaemonSet: return kDaemonSet;
  }
  return kDeployment;
}

/// The label that names a workload in its own series.
std::string own_label(Kind kind) {
  switch (kind) {
    case Kind::Deployment: return "deployment";
    case Kind::Rollout: return "name";
    case Kind::StatefulSet: return "statefulset";
    case Kind::DaemonSet: return "daemonset";
  }
  return "deployment";
}

}  // namespace

void Script::set_deployment(const Fields& fields) {
  const MetricNames& names = metric_names(kind_);
  for (const auto& [field, value] : fields) {
    if (field == "phase" && kind_ == Kind::Rollout) {
      for (const std::string option : {"Healthy", "Progressing", "Paused", "Degraded"}) {
        put("rollout_info", {{"name", deployment_}, {"phase", option}}, option == value ? 1 : 0);
      }
      continue;
    }
    if (field == "managed") {
      put("kube_deployment_labels",
          {{"deployment", deployment_}, {"label_kubefed_io_managed", value}}, 1);
      continue;
    }
    const auto metric = names.find(field);
    if (metric == names.end()) {
      fail("unknown field of a workload: " + field);
      continue;
    }
    if (version_1_9_ && field == "ready") continue;
    put(metric->second, {{own_label(kind_), deployment_}}, std::stod(value));
  }
}

void Script::set_condition(const std::string& type, const std::string& value) {
  const size_t slash = value.find('/');
  const std::string status = value.substr(0, slash);
  const std::string reason = slash == std::string::npos ? "" : value.substr(slash + 1);
  for (const std::string option : {"true", "false", "unknown"}) {
    std::map<std::string, std::string> labels{
        {"deployment", deployment_}, {"condition", type}, {"status", option}};
    if (!reason.empty() && !version_1_9_) labels["reason"] = reason;
    put("kube_deployment_status_condition", labels, option == status ? 1 : 0);
  }
}

void Script::set_replica_set(const std::string& name, const Fields& fields) {
  put("kube_replicaset_owner",
      {{"replicaset", name},
       {"owner_kind", std::string(kind_name(kind_))},
       {"owner_name", deployment_}},
      1);
  static const std::map<std::string, std::string> kMetrics = {
      {"spec", "kube_replicaset_spec_replicas"},
      {"status", "kube_replicaset_status_replicas"},
      {"ready", "kube_replicaset_status_ready_replicas"},
      {"created", "kube_replicaset_created"}};
  for (const auto& [field, value] : fields) {
    const auto metric = kMetrics.find(field);
    if (metric == kMetrics.end()) {
      fail("unknown field of a ReplicaSet: " + field);
      continue;
    }
    put(metric->second, {{"replicaset", name}}, std::stod(value));
  }
}

void Script::set_pod(const std::string& name, const Fields& fields) {
  const std::map<std::string, std::string> pod{{"pod", name}};
  const auto with = [&](std::map<std::string, std::string> more) {
    more["pod"] = name;
    return more;
  };
  for (const auto& [field, value] : fields) {
    if (field == "rs") {
      put("kube_pod_owner", with({{"owner_kind", "ReplicaSet"}, {"owner_name", value}}), 1);
    } else if (field == "own") {  // a StatefulSet's or DaemonSet's
      put("kube_pod_owner",
          with({{"owner_kind", std::string(kind_name(kind_))}, {"owner_name", deployment_}}), 1);
    } else if (field == "image") {
      put("kube_pod_container_info", with({{"container", "c"}, {"image", value}}), 1);
    } else if (field == "reason") {
      put("kube_pod_status_reason", with({{"reason", value}}), 1);
    } else if (field == "terminating") {
      put("kube_pod_deletion_timestamp", pod, 1'700'000'000);
    } else if (field == "phase") {
      for (const std::string option : {"Pending", "Running", "Succeeded", "Failed", "Unknown"}) {
        put("kube_pod_status_phase", with({{"phase", option}}), option == value ? 1 : 0);
      }
    } else if (field == "ready") {
      for (const std::string option : {"true", "false", "unknown"}) {
        put("kube_pod_status_ready", with({{"condition", option}}), option == value ? 1 : 0);
      }
    } else if (field == "node") {
      put("kube_pod_info", with({{"node", value}}), 1);
    } else if (field == "unschedulable") {
      put("kube_pod_status_unschedulable", pod, std::stod(value));
    } else if (field == "waiting" || field == "init_waiting") {
      const std::string metric = field == "waiting"
                                     ? "kube_pod_container_status_waiting_reason"
                                     : "kube_pod_init_container_status_waiting_reason";
      std::erase_if(series_, [&](const auto& entry) {
        return entry.second.labels.at("__name__") == metric &&
               entry.second.labels.at("pod") == name;
      });
      if (value != "-") put(metric, with({{"container", "c"}, {"reason", value}}), 1);
    } else if (field == "last") {
      put("kube_pod_container_status_last_terminated_reason",
          with({{"container", "c"}, {"reason", value}}), 1);
    } else if (field == "restarts_10m") {
      put("kube_pod_container_status_restarts_total", with({{"container", "c"}}), 7);
      restarts_[name] = std::stod(value);
    } else if (field == "cpu") {
      put("kube_pod_container_resource_requests",
          with({{"container", "c"}, {"resource", "cpu"}, {"unit", "core"}}), std::stod(value));
    } else {
      fail("unknown field of a pod: " + field);
    }
  }
}

void Script::remove_object(const std::string& label, const std::string& name) {
  std::erase_if(series_, [&](const auto& entry) {
    const auto found = entry.second.labels.find(label);
    return found != entry.second.labels.end() && (name == "*" || found->second == name);
  });
}

void Script::evaluate() {
  std::vector<model::Labels> labels;
  std::vector<LatestSample> samples;
  labels.reserve(series_.size() + 1);
  const model::TimestampMs scraped = start_ + (now_ - start_) / interval_ * interval_;
  for (const auto& [key, series] : series_) {
    if (kube_state_gone_) break;
    std::vector<model::LabelView> pairs;
    for (const auto& [name, value] : series.labels) pairs.push_back({name, value});
    labels.push_back(model::Labels::from_pairs(std::move(pairs)));
    LatestSample sample{nullptr, series.frozen_at >= 0 ? series.frozen_at : scraped, series.value};
    if (is_restart_counter(series.labels.at("__name__"))) {
      sample.increase = restarts_[series.labels.at("pod")];
    }
    samples.push_back(sample);
  }
  for (size_t i = 0; i < samples.size(); ++i) samples[i].labels = &labels[i];
  const ClusterEvidence evidence = assemble("rohan", samples, evidence_bound(interval_));
  const auto found = evidence.deployments.find(WorkloadKey{space_, deployment_, "rohan", kind_});
  Case matter;
  matter.observed = found == evidence.deployments.end() ? nullptr : &found->second;
  matter.desired = desired_;
  matter.witness = kube_state_gone_ ? Witness::Partial : witness_;
  matter.witness_text = kube_state_gone_ ? "kube-state-metrics does not answer" : "silent";
  matter.namespace_missing = namespace_missing_;
  matter.frozen = frozen_;
  if (frozen_) matter.witness_text = "kube-state-metrics cannot list *v1.Pod";
  matter.interval = interval_;
  matter.now = now_;
  Judgement judgement = judge(matter, std::move(memory_));
  memory_ = std::move(judgement.memory);
  verdict_ = std::move(judgement.verdict);
  for (const auto& event : judgement.events) {
    events_ += (events_.empty() ? "" : ",") + std::string(event_name(event.kind));
    if (event.kind == EventKind::Completed && event.took)
      events_ += fmt::format("/{}s", *event.took / 1000);
  }
}

void Script::advance_to(model::TimestampMs t) {
  if (t < now_) fail("time runs backwards");
  if (t > now_ && !series_.empty()) evaluate();
  while (now_ + kStep <= t) {
    now_ += kStep;
    if (now_ < t) evaluate();
  }
  now_ = t;
}

void Script::expect(const std::vector<std::string>& words) {
  ++expectations_;
  evaluate();
  std::string want_reason =
      words.size() > 2 && words[2].find('=') == std::string::npos ? words[2] : "";
  std::string got = fmt::format("{}{}{}", phase_name(verdict_.phase),
                                verdict_.reason.empty() ? "" : " ", verdict_.reason);
  std::string want = words[1] + (want_reason.empty() ? "" : " " + want_reason);
  for (const auto& [field, value] : fields_of(words, want_reason.empty() ? 2 : 3)) {
    want += fmt::format(" {}={}", field, value);
    if (field == "since") {
      got += fmt::format(" since={}s", (verdict_.since - start_) / 1000);
    } else if (field == "pods") {
      got += fmt::format(" pods={}", verdict_.causes.empty() ? 0 : verdict_.causes.front().count);
    } else if (field == "events") {  // all since the last time they were asked for
      got += " events=" + std::exchange(events_, {});
    } else if (field == "warnings") {
      got += fmt::format(" warnings={}", verdict_.warnings.size());
    } else {
      fail("unknown expectation " + field);
    }
  }
  if (want != got) fail(fmt::format("want {}, got {} ({})", want, got, verdict_.message));
}

void Script::restart() { memory_ = Memory::decode(memory_.encode()); }

void Script::command(const std::vector<std::string>& w) {
  const std::string& verb = w[0];
  const auto is = [&](const char* name, size_t least) { return verb == name && w.size() >= least; };
  if (is("at", 2)) return advance_to(start_ + duration(w[1]));
  if (is("expect", 2)) return expect(w);
  if (is("deployment", 2)) return set_deployment(fields_of(w, 1));
  if (is("condition", 3)) return set_condition(w[1], w[2]);
  if (is("rs", 2)) return set_replica_set(w[1], fields_of(w, 2));
  if (is("pod", 2)) return set_pod(w[1], fields_of(w, 2));
  if (is("remove", 3)) return remove_object(w[1], w[2]);
  if (is("quota", 4)) {
    for (const auto& [field, value] : fields_of(w, 3)) {
      put("kube_resourcequota", {{"resourcequota", w[1]}, {"resource", w[2]}, {"type", field}},
          std::stod(value));
    }
    return;
  }
  if (is("node", 3)) {
    for (const std::string option : {"true", "false", "unknown"}) {
      put("kube_node_status_condition",
          {{"node", w[1]}, {"condition", "Ready"}, {"status", option}}, option == w[2] ? 1 : 0);
    }
    return;
  }
  if (is("autoscaler", 1)) {
    return put("kube_horizontalpodautoscaler_info",
               {{"horizontalpodautoscaler", "h"},
                {"scaletargetref_kind", "Deployment"},
                {"scaletargetref_name", deployment_}},
               1);
  }
  if (is("drop", 2)) {
    std::erase_if(series_,
                  [&](const auto& entry) { return entry.second.labels.at("__name__") == w[1]; });
    return;
  }
  if (is("freeze", 2)) {  // the rest of the scrape is not here yet
    for (auto& [key, series] : series_) {
      if (series.labels.at("__name__") == w[1]) series.frozen_at = now_ - interval_;
    }
    return;
  }
  if (is("cluster", 2)) {
    witness_ = w[1] == "silent"    ? Witness::Silent
               : w[1] == "warming" ? Witness::Warming
               : w[1] == "never"   ? Witness::Never
                                   : Witness::Sound;
    return;
  }
  if (is("kind", 2)) {
    kind_ = parse_kind(w[1]).value_or(Kind::Deployment);
    return;
  }
  if (is("kube_state", 2)) {
    frozen_ = w[1] == "frozen";
    kube_state_gone_ = w[1] == "gone";
    return;
  }
  if (is("desired", 2)) {
    Desired desired;
    const Fields more = fields_of(w, 2);
    if (more.contains("image")) desired.image = more.at("image");
    desired.wanted = w[1] != "unwanted";
    if (w[1] != "unmanaged" && desired.wanted) desired.replicas = std::stoll(w[1]);
    desired.source = "file desired.yaml";
    desired.binding = true;
    desired.as_of = now_;
    desired_ = desired;
    return;
  }
  if (is("namespace", 2)) {
    namespace_missing_ = w[1] == "missing";
    return;
  }
  if (is("version", 2)) {
    version_1_9_ = w[1] == "1.9";
    return;
  }
  if (is("interval", 2)) {
    interval_ = duration(w[1]);
    return;
  }
  if (is("restart", 1)) return restart();
  fail("unknown command: " + verb);
}

std::vector<std::string> Script::run(const std::string& name, const std::string& text) {
  name_ = name;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    ++line_;
    const size_t comment = line.find('#');
    if (comment != std::string::npos) line.resize(comment);
    const auto words = split(line);
    if (!words.empty()) command(words);
  }
  if (expectations_ == 0) fail("expects nothing");
  return failures_;
}

}  // namespace aerie::clusters::testing
