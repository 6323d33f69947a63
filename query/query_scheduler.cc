#include "query/query_scheduler.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "query/api_answer.h"

namespace aerie::query {
namespace {

constexpr size_t kShownText = 4096;
constexpr size_t kRememberedQueries = 500;
constexpr size_t kShownQueries = 100;

/// Grafana's users share one address: its proxy.
std::string client_of(const http::Request& request) {
  std::string client = request.remote_address.substr(0, request.remote_address.rfind(':'));
  if (const auto user = request.headers.get("X-Grafana-User"); !user.empty())
    client += " " + std::string(user.substr(0, 128));
  return client;
}

double seconds_between(int64_t from_ns, int64_t to_ns) {
  return static_cast<double>(to_ns - from_ns) / 1e9;
}

/// Forgets the half that cost least.
void forget_cheap(std::map<std::string, QueryCost>& costs) {
  std::vector<double> totals;
  for (const auto& [text, cost] : costs) totals.push_back(cost.total_seconds);
  const auto middle = totals.begin() + static_cast<std::ptrdiff_t>(totals.size() / 2);
  std::nth_element(totals.begin(), middle, totals.end());
  std::erase_if(
      costs, [limit = *middle](const auto& entry) { return entry.second.total_seconds <= limit; });
}

}  // namespace

struct QueryScheduler::Job {
  Job(http::Request asked, http::Responder answer, Work todo)
      : request(std::move(asked)), responder(std::move(answer)), work(std::move(todo)) {}
  http::Request request;
  http::Responder responder;
  Work work;
  std::shared_ptr<QueryRecord> record = std::make_shared<QueryRecord>();
};

void QueryScheduler::submit(WorkPool& pool, http::Request request, http::Responder responder,
                            Work work) {
  auto job = std::make_shared<Job>(std::move(request), std::move(responder), std::move(work));
  QueryRecord& record = *job->record;
  record.endpoint = job->request.path;
  record.query = job->request.params.get("query").substr(0, kShownText);
  record.client = client_of(job->request);
  record.dashboard = job->request.headers.get("X-Dashboard-Uid").substr(0, 128);
  record.panel = job->request.headers.get("X-Panel-Id").substr(0, 128);
  record.arrived_ns = clock_.monotonic_ns();
  record.cancellation = job->request.cancellation;
  state_.with([&](State& state) {
    record.id = state.next_id++;
    state.jobs.emplace(record.id, job);
    auto& queue = state.waiting[record.client];
    if (queue.empty()) state.turns.push_back(record.client);
    queue.push_back(job);
  });
  // One job of the pool for each query, but which query it takes is decided when its turn comes.
  if (pool.submit([this] { run_next(); })) return;
  withdraw(job);
  http::Response response = error_answer(
      Error(ErrorCode::Unavailable, "too many queries are waiting (--query.max-concurrency)"));
  response.headers.set("Retry-After", "1");
  job->responder(std::move(response));
}

void QueryScheduler::withdraw(const std::shared_ptr<Job>& job) {
  state_.with([&](State& state) {
    state.jobs.erase(job->record->id);
    const auto queue = state.waiting.find(job->record->client);
    if (queue == state.waiting.end()) return;
    std::erase(queue->second, job);
    if (!queue->second.empty()) return;
    std::erase(state.turns, queue->first);
    state.waiting.erase(queue);
  });
}

std::shared_ptr<QueryScheduler::Job> QueryScheduler::take_next() {
  return state_.with([&](State& state) -> std::shared_ptr<Job> {
    if (state.turns.empty()) return nullptr;
    const std::string client = std::move(state.turns.front());
    state.turns.pop_front();
    const auto queue = state.waiting.find(client);
    std::shared_ptr<Job> job = std::move(queue->second.front());
    queue->second.pop_front();
    if (queue->second.empty()) {
      state.waiting.erase(queue);
    } else {
      state.turns.push_back(client);
    }
    job->record->started_ns = clock_.monotonic_ns();
    return job;
  });
}

void QueryScheduler::run_next() {
  const std::shared_ptr<Job> job = take_next();
  if (!job) return;
  const auto& cancellation = job->record->cancellation;
  http::Response response =
      cancellation && cancellation->cancelled()
          ? error_answer(Error(ErrorCode::Cancelled, "query was canceled in query queue"))
          : job->work(job->request, *job->record);
  finish(*job, response.status >= 400);
  job->responder(std::move(response));
}

void QueryScheduler::finish(const Job& job, bool failed) {
  const QueryRecord& record = *job.record;
  const double seconds = seconds_between(record.started_ns, clock_.monotonic_ns());
  state_.with([&](State& state) {
    state.jobs.erase(record.id);
    QueryCost& cost = state.costs[record.query];
    cost.query = record.query;
    cost.dashboard = record.dashboard;
    cost.panel = record.panel;
    ++cost.count;
    cost.failed += failed ? 1 : 0;
    cost.total_seconds += seconds;
    cost.longest_seconds = std::max(cost.longest_seconds, seconds);
    cost.samples_read += record.samples_read.load(std::memory_order_relaxed);
    if (state.costs.size() > kRememberedQueries) forget_cheap(state.costs);
  });
}

std::vector<QueryScheduler::ActiveQuery> QueryScheduler::active() const {
  const int64_t now = clock_.monotonic_ns();
  return state_.with([&](const State& state) {
    std::vector<ActiveQuery> out;
    for (const auto& [id, job] : state.jobs) {
      const QueryRecord& record = *job->record;
      const bool runs = record.started_ns != 0;
      out.push_back({job->record,
                     seconds_between(record.arrived_ns, runs ? record.started_ns : now),
                     runs ? seconds_between(record.started_ns, now) : 0});
    }
    return out;
  });
}

std::vector<QueryCost> QueryScheduler::costly() const {
  auto all = state_.with([](const State& state) {
    std::vector<QueryCost> out;
    for (const auto& [text, cost] : state.costs) out.push_back(cost);
    return out;
  });
  std::sort(all.begin(), all.end(), [](const QueryCost& a, const QueryCost& b) {
    return a.total_seconds > b.total_seconds;
  });
  if (all.size() > kShownQueries) all.resize(kShownQueries);
  return all;
}

bool QueryScheduler::cancel(uint64_t id) {
  const std::shared_ptr<Job> job = state_.with([&](State& state) {
    const auto found = state.jobs.find(id);
    return found == state.jobs.end() ? std::shared_ptr<Job>() : found->second;
  });
  if (!job) return false;
  job->record->cancellation->cancel();
  return true;
}

}  // namespace aerie::query
