#include "tools/fleet_sim/simulation.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace aerie::fleet_sim {

namespace {

constexpr TimestampMs kSecond = 1000;
constexpr TimestampMs kHour = 3600 * kSecond;
constexpr TimestampMs kProgressDeadline = 600 * kSecond;
constexpr TimestampMs kLongestBackoff = 300 * kSecond;
// The real controller goes on to 1000 s; a visitor who raises the quota should see that it helps.
constexpr TimestampMs kLongestCreateBackoff = 30 * kSecond;

bool says(const Template& made_of, std::string_view word) {
  return made_of.image.find(word) != std::string::npos;
}

bool fails_to_pull(const Template& made_of) { return says(made_of, "missing"); }
bool crashes(const Template& made_of) { return says(made_of, "crash") || says(made_of, "oom"); }

/// nginx:1.27.3 -> nginx:1.27.4; without a number at its end `-next` is added.
std::string next_version(const std::string& image) {
  size_t digits = image.size();
  while (digits > 0 && image[digits - 1] >= '0' && image[digits - 1] <= '9') --digits;
  if (digits == image.size()) return image + "-next";
  return image.substr(0, digits) + std::to_string(std::atoi(image.c_str() + digits) + 1);
}

}  // namespace

Simulation::Simulation(std::string cluster, uint64_t seed, TimestampMs now)
    : random_state_(seed), now_(now - kHour) {
  for (const char c : cluster)
    random_state_ = random_state_ * 1099511628211ULL + static_cast<uint8_t>(c);
  state_.name = std::move(cluster);
  state_.created = now_ - 24 * kHour;
  for (int i = 1; i <= 3; ++i) {
    state_.nodes.push_back(
        {fmt::format("{}-node-{}", state_.name, i), fmt::format("10.0.0.{}", 10 + i)});
  }
  state_.pod_quotas["shop"] = 40;
  deploy("shop", "nginx", "nginx:1.27.3", 3);
  deploy("shop", "catalog", "registry.example/shop/catalog:2.14.0", 4);
  deploy("shop", "checkout", "registry.example/shop/checkout:5.2.1", 2);
  deploy("payments", "ledger", "registry.example/payments/ledger:1.9.7", 3);
  deploy("payments", "gateway", "registry.example/payments/gateway:3.0.4", 2);
  deploy("platform", "coredns", "coredns/coredns:1.11.1", 2);
  deploy("platform", "nightly-batch", "registry.example/platform/batch:0.8.2", 0);
  advance_to(now);
}

void Simulation::deploy(std::string space, std::string name, std::string image, int replicas) {
  Deployment deployment;
  deployment.space = std::move(space);
  deployment.name = std::move(name);
  deployment.base_image = std::move(image);
  deployment.replicas = replicas;
  deployment.created = now_;
  deployment.progress_at = now_;
  deployment.autoscaled = deployment.name == "catalog";
  state_.deployments.push_back(std::move(deployment));
}

// xorshift64*: the standard distributions differ between libraries, a demo should not.
int64_t Simulation::random(int64_t least, int64_t most) {
  if (random_state_ == 0) random_state_ = 1;
  random_state_ ^= random_state_ >> 12;
  random_state_ ^= random_state_ << 25;
  random_state_ ^= random_state_ >> 27;
  const uint64_t bits = random_state_ * 2685821657736338717ULL;
  return least + static_cast<int64_t>((bits >> 33) % static_cast<uint64_t>(most - least + 1));
}

std::string Simulation::random_name(size_t length) {
  constexpr std::string_view kLetters =
      "bcdfghjklmnpqrstvwxz2456789";  // as Kubernetes: no words by accident
  std::string text;
  for (size_t i = 0; i < length; ++i)
    text += kLetters[static_cast<size_t>(random(0, kLetters.size() - 1))];
  return text;
}

void Simulation::advance_to(TimestampMs now) {
  while (now_ + kSecond <= now) {
    now_ += kSecond;
    step();
  }
}

void Simulation::step() {
  for (auto& deployment : state_.deployments) {
    control_deployment(deployment);
    for (auto& set : deployment.sets) control_set(deployment, set);
    for (auto& set : deployment.sets) {
      for (auto& pod : set.pods) {
        if (pod.node.empty() && !pod.terminating()) schedule(pod, set.made_of);
        run_pod(pod, deployment, set);
      }
      std::erase_if(set.pods,
                    [this](const Pod& pod) { return pod.terminating() && pod.gone_at <= now_; });
    }
    update_status(deployment);
  }
}

ReplicaSet& Simulation::newest_set(Deployment& deployment) {
  const Template wanted = deployment.wanted();
  for (auto& set : deployment.sets) {
    if (set.made_of == wanted) {
      if (set.revision < deployment.revisions) set.revision = ++deployment.revisions;  // a rollback
      return set;
    }
  }
  ReplicaSet set;
  set.name = deployment.name + "-" + random_name(10);
  set.made_of = wanted;
  set.created = now_;
  set.revision = ++deployment.revisions;
  deployment.sets.push_back(std::move(set));
  return deployment.sets.back();
}

void Simulation::control_deployment(Deployment& deployment) {
  if (deployment.observed_generation < deployment.generation) {
    deployment.observed_generation = deployment.generation;
  }
  if (deployment.paused) return;
  ReplicaSet& newest = newest_set(deployment);
  roll(deployment, newest);
  // Ten old ones are kept, as revisionHistoryLimit has it; those of the demo are few, so the oldest
  // empty one goes first.
  while (deployment.sets.size() > 11) {
    const auto oldest =
        std::find_if(deployment.sets.begin(), deployment.sets.end(), [&](const ReplicaSet& set) {
          return set.spec == 0 && set.pods.empty() && set.revision != deployment.revisions;
        });
    if (oldest == deployment.sets.end()) break;
    deployment.sets.erase(oldest);
  }
}

/// Rolling update with maxSurge and maxUnavailable of 25 %.
void Simulation::roll(Deployment& deployment, ReplicaSet& newest) {
  const auto change = [](ReplicaSet& set, int spec) {
    if (set.spec == spec) return;
    set.spec = spec;
    ++set.generation;
  };
  int all = 0;
  int available = 0;
  for (const auto& set : deployment.sets) {
    all += set.spec;
    available += set.ready();
  }
  const int old = all - newest.spec;
  const int wanted = deployment.replicas;
  if (old == 0 || newest.spec > wanted) {
    change(newest, wanted);
    if (old == 0) return;
  }
  const int room = wanted + deployment.max_surge() - all;
  if (room > 0) change(newest, std::min(wanted, newest.spec + room));
  // Old ones that do not serve go first: they cost no availability.
  const int least = wanted - deployment.max_unavailable();
  int may_go = all - least - (newest.spec - newest.ready());
  int surplus = available - least;
  for (auto& set : deployment.sets) {
    if (&set == &newest || may_go <= 0) continue;
    const int dead = std::min(may_go, set.spec - std::min(set.spec, set.ready()));
    change(set, set.spec - dead);
    may_go -= dead;
    const int living = std::clamp(surplus, 0, set.spec);
    change(set, set.spec - living);
    surplus -= living;
  }
}

void Simulation::control_set(Deployment& deployment, ReplicaSet& set) {
  const int alive = set.alive();
  if (alive > set.spec) remove_pods(set, alive - set.spec);
  if (alive >= set.spec) {
    set.create_failed = false;
    set.backoff = 0;
    return;
  }
  if (now_ < set.retry_at) return;
  const auto quota = state_.pod_quotas.find(deployment.space);
  for (int i = alive; i < set.spec; ++i) {
    if (quota != state_.pod_quotas.end() && state_.pods_in(deployment.space) >= quota->second) {
      set.create_failed = true;
      set.backoff = std::clamp(set.backoff * 2, kSecond, kLongestCreateBackoff);
      set.retry_at = now_ + set.backoff;
      return;
    }
    create_pod(deployment, set);
  }
  set.create_failed = false;
  set.backoff = 0;
}

void Simulation::create_pod(Deployment&, ReplicaSet& set) {
  Pod pod;
  pod.name = set.name + "-" + random_name(5);
  pod.uid =
      fmt::format("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", random(0, 0xffffffff), random(0, 0xffff),
                  random(0, 0xfff), random(0, 0xfff), random(0, 0x7fffffff));
  pod.ip = fmt::format("10.244.{}.{}", random(0, 2), random(2, 250));
  pod.created = now_;
  set.pods.push_back(std::move(pod));
}

void Simulation::remove_pods(ReplicaSet& set, int count) {
  std::vector<Pod*> order;
  for (auto& pod : set.pods) {
    if (!pod.terminating()) order.push_back(&pod);
  }
  std::stable_sort(order.begin(), order.end(), [](const Pod* a, const Pod* b) {
    if (a->ready() != b->ready()) return !a->ready();
    return a->created > b->created;
  });
  for (int i = 0; i < count && i < static_cast<int>(order.size()); ++i) {
    order[static_cast<size_t>(i)]->gone_at = now_ + random(1, 3) * kSecond;
    order[static_cast<size_t>(i)]->ready_at = 0;
  }
}

void Simulation::schedule(Pod& pod, const Template& made_of) {
  std::map<std::string, std::pair<double, int>> used;
  for (const auto& deployment : state_.deployments) {
    for (const auto& set : deployment.sets) {
      for (const auto& other : set.pods) {
        auto& sum = used[other.node];
        sum.first += set.made_of.cpu;
        ++sum.second;
      }
    }
  }
  const Node* best = nullptr;
  for (const auto& node : state_.nodes) {
    if (!node.ready || used[node.name].first + made_of.cpu > node.cpu ||
        used[node.name].second >= node.pods)
      continue;
    if (!best || used[node.name].second < used[best->name].second) best = &node;
  }
  pod.unschedulable = best == nullptr;
  if (!best) return;
  pod.node = best->name;
  pod.scheduled = now_;
  pod.next_at = now_ + random(1, 3) * kSecond;
}

void Simulation::pull_failed(Pod& pod) {
  // One failed attempt shows for two seconds, then the back-off, then the next attempt.
  if (pod.waiting == "ErrImagePull") {
    pod.waiting = "ImagePullBackOff";
    pod.next_at = now_ + std::min(kLongestBackoff, (10 * kSecond) << std::min(pod.failed_pulls, 5));
    ++pod.failed_pulls;
  } else {
    pod.waiting = "ErrImagePull";
    pod.next_at = now_ + 2 * kSecond;
  }
}

void Simulation::crashed(Pod& pod, const Template& made_of) {
  const bool oom = says(made_of, "oom");
  pod.running = false;
  pod.ready_at = 0;
  pod.last_terminated = oom ? "OOMKilled" : "Error";
  pod.last_exit_code = oom ? 137 : 1;
  pod.last_terminated_at = now_;
  pod.waiting = "CrashLoopBackOff";
  pod.next_at = now_ + std::min(kLongestBackoff, (10 * kSecond) << std::min(pod.restarts, 5));
}

void Simulation::start_container(Pod& pod, const ReplicaSet& set) {
  if (pod.started > 0) ++pod.restarts;
  pod.started = now_;
  pod.running = true;
  pod.waiting.clear();
  pod.next_at = now_ + (crashes(set.made_of) ? 2 : random(2, 5)) * kSecond;
}

void Simulation::run_pod(Pod& pod, const Deployment& deployment, const ReplicaSet& set) {
  if (pod.terminating() || pod.node.empty()) return;
  const auto node = std::find_if(state_.nodes.begin(), state_.nodes.end(),
                                 [&](const Node& each) { return each.name == pod.node; });
  if (node != state_.nodes.end() && !node->ready) {
    // Nobody reports for it any more: the containers stay as they were, only the pod's Ready goes.
    pod.ready_at = 0;
    pod.next_at = now_ + 2 * kSecond;
    return;
  }
  if (now_ < pod.next_at) return;
  if (!pod.running) {
    return fails_to_pull(set.made_of) ? pull_failed(pod) : start_container(pod, set);
  }
  if (crashes(set.made_of)) return crashed(pod, set.made_of);
  if (!pod.ready()) pod.ready_at = now_;
  (void)deployment;
}

void Simulation::update_status(Deployment& deployment) {
  int replicas = 0;
  int ready = 0;
  int updated = 0;
  bool create_failed = false;
  const Template wanted = deployment.wanted();
  for (const auto& set : deployment.sets) {
    replicas += set.alive();
    ready += set.ready();
    if (set.made_of == wanted) updated = set.alive();
    create_failed = create_failed || set.create_failed;
  }
  const bool further = updated > deployment.status_updated || ready > deployment.status_ready ||
                       replicas - updated < deployment.status_replicas - deployment.status_updated;
  // Once complete, Kubernetes watches no deadline until the next rollout.
  const bool was_complete = deployment.progressing.reason == "NewReplicaSetAvailable" &&
                            deployment.status_replicas == deployment.status_updated &&
                            replicas == updated;
  deployment.status_replicas = replicas;
  deployment.status_ready = ready;
  deployment.status_available = ready;
  deployment.status_updated = updated;
  const int wanted_replicas = deployment.replicas;
  const bool complete =
      updated == wanted_replicas && replicas == wanted_replicas && ready == wanted_replicas;
  if (further) deployment.progress_at = now_;
  if (complete || was_complete) {
    deployment.progressing = {"true", "NewReplicaSetAvailable"};
    deployment.progress_at = now_;
  } else if (now_ - deployment.progress_at > kProgressDeadline) {
    deployment.progressing = {"false", "ProgressDeadlineExceeded"};
  } else {
    deployment.progressing = {"true", "ReplicaSetUpdated"};
  }
  const bool enough = ready >= wanted_replicas - deployment.max_unavailable();
  deployment.available = enough ? DeploymentCondition{"true", "MinimumReplicasAvailable"}
                                : DeploymentCondition{"false", "MinimumReplicasUnavailable"};
  deployment.replica_failure =
      create_failed ? DeploymentCondition{"true", "FailedCreate"} : DeploymentCondition{};
}

Status Simulation::set_fault(Fault fault, std::string_view name, bool on) {
  if (fault == Fault::Silent) {
    state_.silent = on;
    return {};
  }
  if (fault == Fault::NodeDown) {
    state_.nodes.front().ready = !on;
    return {};
  }
  Deployment* deployment = state_.find(name);
  if (!deployment) {
    return Error(ErrorCode::NotFound,
                 fmt::format("cluster {} has no Deployment {}", state_.name, name));
  }
  if (on == deployment->faults.contains(fault)) return {};
  if (on) {
    deployment->faults.insert(fault);
  } else {
    deployment->faults.erase(fault);
  }
  if (fault == Fault::Quota) {
    const int used = state_.pods_in(deployment->space);
    // What the rollout may take away from the old pods must not make room for a new one.
    state_.pod_quotas[deployment->space] = on ? used - deployment->max_unavailable() : used + 20;
    if (on) deployment->base_image = next_version(deployment->base_image);
    if (!on) return {};
  }
  ++deployment->generation;
  deployment->progress_at = now_;
  return {};
}

Status Simulation::rollout(std::string_view name, std::string image) {
  Deployment* deployment = state_.find(name);
  if (!deployment) {
    return Error(ErrorCode::NotFound,
                 fmt::format("cluster {} has no Deployment {}", state_.name, name));
  }
  if (deployment->base_image == image) return {};
  deployment->base_image = std::move(image);
  deployment->progress_at = now_;
  ++deployment->generation;
  return {};
}

Status Simulation::scale(std::string_view name, int replicas) {
  Deployment* deployment = state_.find(name);
  if (!deployment) {
    return Error(ErrorCode::NotFound,
                 fmt::format("cluster {} has no Deployment {}", state_.name, name));
  }
  if (deployment->replicas == replicas) return {};
  deployment->replicas = replicas;
  ++deployment->generation;
  return {};
}

std::vector<std::pair<Fault, std::string>> Simulation::faults() const {
  std::vector<std::pair<Fault, std::string>> found;
  if (state_.silent) found.emplace_back(Fault::Silent, "");
  if (!state_.nodes.front().ready) found.emplace_back(Fault::NodeDown, "");
  for (const auto& deployment : state_.deployments) {
    for (const Fault fault : deployment.faults)
      found.emplace_back(fault, deployment.space + "/" + deployment.name);
  }
  return found;
}

}  // namespace aerie::fleet_sim
