#include "clusters/cluster_view.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "base/log.h"

namespace aerie::clusters {

namespace {

/// Changes whenever the file does; an error when it cannot be looked at.
Result<std::string> stamp_of(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    return Error(ErrorCode::NotFound,
                 fmt::format("desired-state file {}: {}", path, std::strerror(errno)));
  }
  return fmt::format("{} {} {}.{}", info.st_ino, info.st_size, info.st_mtim.tv_sec,
                     info.st_mtim.tv_nsec);
}

}  // namespace

ClusterView::ClusterView(ClusterViewOptions options, ClusterViewPorts ports)
    : options_(std::move(options)),
      ports_(std::move(ports)),
      evaluations_(ports_.metrics.counter("aerie_clusters_evaluations_total",
                                          "Evaluations of the whole fleet.")),
      failures_(ports_.metrics.counter(
          "aerie_clusters_write_failures_total",
          "Evaluations whose verdicts could not be written back as series.")),
      seconds_(ports_.metrics.histogram("aerie_clusters_evaluation_seconds",
                                        "How long an evaluation of the fleet takes.",
                                        {0.001, 0.005, 0.02, 0.1, 0.5, 2, 10})),
      judgements_(ports_.metrics.counter(
          "aerie_clusters_judgements_total",
          "Workloads judged: only those that changed or for which a timer runs.")),
      desired_valid_(
          ports_.metrics.gauge("aerie_clusters_desired_file_valid",
                               "1 if the desired-state file was read the last time it changed.")),
      evaluator_(ports_.source, ports_.table, ports_.clock.now_ms(), ports_.watched, ports_.tapped),
      timeline_(ports_.table),
      snapshot_(std::make_shared<const FleetSnapshot>()) {}

ClusterView::~ClusterView() { stop(); }

Result<std::unique_ptr<ClusterView>> ClusterView::open(ClusterViewOptions options,
                                                       ClusterViewPorts ports) {
  std::unique_ptr<ClusterView> view(new ClusterView(std::move(options), std::move(ports)));
  if (auto loaded = view->load_desired(); !loaded) return std::move(loaded).error();
  if (auto restored = view->evaluator_.restore(); !restored) {
    AERIE_LOG(Warn, "verdicts begin anew", {"error", restored.error().message()});
  }
  if (auto restored = view->timeline_.restore(); !restored) {
    AERIE_LOG(Warn, "the timeline begins anew", {"error", restored.error().message()});
  }
  return view;
}

bool ClusterView::listen(Listener listener) {
  if (listening_.load() >= kMostListeners) return false;
  ++listening_;
  listeners_.with([&](std::vector<Listener>& all) { all.push_back(std::move(listener)); });
  return true;
}

/// Listeners are moved out while they are called: nothing is done under the lock.
void ClusterView::tell_listeners(const std::shared_ptr<const FleetSnapshot>& fleet) {
  std::vector<Listener> called =
      listeners_.with([](std::vector<Listener>& all) { return std::exchange(all, {}); });
  listening_ -= std::erase_if(called, [&](const Listener& listener) { return !listener(fleet); });
  listeners_.with([&](std::vector<Listener>& all) {
    for (auto& listener : called) all.push_back(std::move(listener));
  });
}

void ClusterView::start() {
  timer_ = std::thread([this] { keep_time(); });
}

void ClusterView::stop() {
  {
    const std::lock_guard lock(timer_mutex_);
    stopping_ = true;
  }
  timer_wake_.notify_all();
  if (timer_.joinable()) timer_.join();
  gate_.close();
  listeners_.with([](std::vector<Listener>& all) { return std::exchange(all, {}); });
}

void ClusterView::keep_time() {
  std::unique_lock lock(timer_mutex_);
  while (!stopping_) {
    lock.unlock();
    // A full pool, or an evaluation still running, costs one evaluation and nothing else. The job
    // holds a pass from now on, so that stop() waits for it even while it is queued.
    auto pass = std::make_shared<Gate::Pass>(gate_.enter());
    const auto job = [this, pass] { evaluate(); };
    if (!running_.load() && !ports_.pool.submit(job)) {
      AERIE_LOG(Debug, "evaluation put off: the pool is full");
    }
    lock.lock();
    timer_wake_.wait_for(lock, options_.evaluation_interval, [this] { return stopping_; });
  }
}

void ClusterView::evaluate() {
  const Gate::Pass pass = gate_.enter();
  if (!pass || running_.exchange(true)) return;
  evaluate_once();
  running_.store(false);
}

Status ClusterView::load_desired() {
  if (options_.desired_file.empty()) return {};
  auto stamp = stamp_of(options_.desired_file);
  if (!stamp) return std::move(stamp).error();
  if (*stamp == desired_stamp_) return {};
  desired_stamp_ = *stamp;
  std::ifstream in(options_.desired_file);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  auto file = DesiredFile::parse(options_.desired_file, text, ports_.clock.now_ms());
  desired_valid_.set(file ? 1 : 0);
  if (!file) return std::move(file).error();
  desired_ = std::move(*file);
  AERIE_LOG(Info, "desired state read", {"file", options_.desired_file},
            {"deployments", desired_.size()});
  return {};
}

void ClusterView::evaluate_once() {
  const int64_t begin = ports_.clock.monotonic_ns();
  if (auto loaded = load_desired(); !loaded) {
    AERIE_LOG(Warn, "the last good desired state holds", {"error", loaded.error().message()});
  }
  const uint64_t judged_before = evaluator_.judged();
  auto fleet = std::make_shared<const FleetSnapshot>(
      evaluator_.evaluate(ports_.arrivals(), desired_, ports_.clock.now_ms()));
  judgements_.add(evaluator_.judged() - judged_before);
  std::vector<TimelineEntry> events = evaluator_.take_events();
  own_series_.note(events);
  if (auto kept = timeline_.add(std::move(events), fleet->evaluated_at); !kept) {
    AERIE_LOG(Warn, "a restart would forget events", {"error", kept.error().message()});
  }
  snapshot_.with([&](auto& current) { current = fleet; });
  tell_listeners(fleet);
  write(*fleet);
  if (auto kept = evaluator_.persist(); !kept) {
    AERIE_LOG(Warn, "a restart would forget verdicts", {"error", kept.error().message()});
  }
  evaluations_.add();
  seconds_.observe(static_cast<double>(ports_.clock.monotonic_ns() - begin) / 1e9);
}

void ClusterView::write(const FleetSnapshot& fleet) {
  if (!ports_.write_own) return;
  if (!own_series_restored_) {
    auto restored = own_series_.restore(ports_.source, fleet.evaluated_at);
    if (!restored)
      AERIE_LOG(Warn, "verdicts of before are not ended", {"error", restored.error().message()});
    own_series_restored_ = true;
  }
  const auto samples = own_series_.samples(fleet);
  if (samples.empty()) return;
  if (auto written = ports_.write_own(samples); !written) {
    failures_.add();
    if (!write_failing_)
      AERIE_LOG(Warn, "verdicts not written back", {"error", written.error().message()});
    write_failing_ = true;
    return;
  }
  write_failing_ = false;
  own_series_.written(samples);
}

}  // namespace aerie::clusters
