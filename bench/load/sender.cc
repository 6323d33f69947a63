#include "bench/load/sender.h"

#include <fmt/core.h>
#include <snappy.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <iterator>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

#include "bench/load/simulated_series.h"
#include "bench/load/write_request.h"
#include "http/client.h"

namespace aerie::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kAttempts = 30;  // one second apart

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

constexpr uint32_t kScrapesInStep = 10;
constexpr uint32_t kChurnParts = 10;

// One connection with its own series; nothing is shared but the step.
class Connection {
 public:
  Connection(const LoadOptions& options, uint32_t number, std::barrier<>& step)
      : options_(options), number_(number), step_(step) {
    for (uint32_t target = 0; target < options.targets; ++target) add_target(target, target);
    // The order in which a Prometheus scrapes them within one interval.
    order_.resize(series_.size());
    std::iota(order_.begin(), order_.end(), 0u);
    std::stable_sort(order_.begin(), order_.end(),
                     [&](uint32_t a, uint32_t b) { return phase(a) < phase(b); });
  }

  Status run() {
    Status status = send_all();
    step_.arrive_and_drop();
    return status;
  }

  const LoadResult& result() const { return result_; }

 private:
  Status send_all() {
    const auto began = SteadyClock::now();
    for (uint32_t scrape = 0; scrape < options_.scrapes; ++scrape) {
      if (scrape % kScrapesInStep == 0) step_.arrive_and_wait();
      if (options_.churn_scrapes != 0 && scrape > 0 && scrape % options_.churn_scrapes == 0) {
        result_.round_seconds.push_back(seconds_since(began));
        if (pending_ > 0) {  // it may point into series that go
          if (auto sent = send(); !sent) return sent;
        }
        replace_targets(scrape / options_.churn_scrapes);
      }
      const int64_t start = options_.first_scrape_ms + scrape * options_.interval_ms;
      for (const uint32_t index : order_) {
        add(series_[index], start + phase(index));
        if (++pending_ < options_.samples_per_request) continue;
        if (auto sent = send(); !sent) return sent;
      }
    }
    if (options_.churn_scrapes != 0) result_.round_seconds.push_back(seconds_since(began));
    return pending_ > 0 ? send() : Status();
  }

  void add(SimulatedSeries& series, int64_t t) {
    if (options_.version2) {
      version2_.add_series(series.label_records(), t, series.next());
    } else {
      add_series(request_, series.label_records(), t, series.next());
    }
  }

  void add_target(uint32_t slot, uint32_t target) {
    const uint32_t count = series_per_target(options_.workload);
    for (uint32_t index = number_; index < count; index += options_.connections) {
      series_.emplace_back(options_.workload, target, index, options_.seed);
      for (const auto& [name, value] : options_.labels) series_.back().set_label(name, value);
      targets_.push_back(slot);
    }
    result_.series += (count + options_.connections - 1 - number_) / options_.connections;
  }

  // New targets scraped at the old ones' times: what a rolled node pool looks like.
  void replace_targets(uint32_t round) {
    std::vector<SimulatedSeries> before = std::move(series_);
    std::vector<uint32_t> slots = std::move(targets_);
    series_.clear();
    targets_.clear();
    for (size_t i = 0; i < before.size();) {
      const uint32_t slot = slots[i];
      size_t end = i;
      while (end < before.size() && slots[end] == slot) ++end;
      if (slot % kChurnParts == round % kChurnParts) {
        add_target(slot, slot + round * options_.targets);
      } else {
        std::move(before.begin() + static_cast<ptrdiff_t>(i),
                  before.begin() + static_cast<ptrdiff_t>(end), std::back_inserter(series_));
        targets_.insert(targets_.end(), end - i, slot);
      }
      i = end;
    }
  }

  int64_t phase(uint32_t index) const {
    return scrape_phase_ms(targets_[index], options_.interval_ms);
  }

  // Requests are spread evenly; who is behind goes on at once, and does not catch up.
  void wait_for_turn() {
    if (options_.samples_per_second <= 0) return;
    const double share = options_.samples_per_second / options_.connections;
    const auto gap = std::chrono::duration_cast<SteadyClock::duration>(
        std::chrono::duration<double>(pending_ / share));
    std::this_thread::sleep_until(next_turn_);
    next_turn_ = std::max(next_turn_ + gap, SteadyClock::now());
  }

  Status send() {
    wait_for_turn();
    http::ClientRequest request;
    request.method = http::Method::Post;
    request.url = options_.url;
    request.timeout = std::chrono::seconds(60);
    request.headers.set("Content-Type",
                        options_.version2
                            ? "application/x-protobuf;proto=io.prometheus.write.v2.Request"
                            : "application/x-protobuf");
    request.headers.set("Content-Encoding", "snappy");
    request.headers.set("X-Prometheus-Remote-Write-Version", options_.version2 ? "2.0.0" : "0.1.0");
    if (options_.version2) request_ = version2_.take();
    if (!options_.bearer_token.empty())
      request.headers.set("Authorization", "Bearer " + options_.bearer_token);
    snappy::Compress(request_.data(), request_.size(), &request.body);
    result_.decoded_bytes += request_.size();
    result_.encoded_bytes += request.body.size();
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      const auto start = SteadyClock::now();
      const auto response = client_.send(request);
      result_.slowest_request_seconds =
          std::max(result_.slowest_request_seconds, seconds_since(start));
      if (response && response->status / 100 == 2) {
        ++result_.requests;
        result_.samples += pending_;
        result_.request_seconds.push_back(static_cast<float>(seconds_since(start)));
        request_.clear();
        pending_ = 0;
        return {};
      }
      if (response && response->status / 100 != 5 && response->status != 429) {
        return Error(ErrorCode::InvalidArgument,
                     fmt::format("answered {}: {}", response->status, response->body));
      }
      ++result_.retries;
      std::this_thread::sleep_for(std::chrono::seconds(1));
    }
    return Error(ErrorCode::Unavailable, options_.url + " takes nothing");
  }

  const LoadOptions& options_;
  const uint32_t number_;
  std::barrier<>& step_;
  std::vector<SimulatedSeries> series_;
  std::vector<uint32_t> targets_;  // of series_: the place in the interval
  std::vector<uint32_t> order_;
  http::Client client_;
  SteadyClock::time_point next_turn_ = SteadyClock::now();
  std::string request_;
  Version2Request version2_;
  uint32_t pending_ = 0;
  LoadResult result_;
};

}  // namespace

Status check_loopback(const std::string& url) {
  for (const std::string_view host : {"http://127.0.0.1", "http://localhost", "http://[::1]"}) {
    if (url.compare(0, host.size(), host) != 0) continue;
    const char next = url.size() > host.size() ? url[host.size()] : '/';
    if (next == ':' || next == '/') return {};
  }
  return Error(ErrorCode::InvalidArgument,
               fmt::format("only loopback addresses are loaded, not {}", url));
}

Result<LoadResult> run_load(const LoadOptions& options) {
  if (auto loopback = check_loopback(options.url); !loopback) return std::move(loopback).error();
  std::barrier<> step(options.connections);
  std::vector<std::unique_ptr<Connection>> connections;
  for (uint32_t i = 0; i < options.connections; ++i)
    connections.push_back(std::make_unique<Connection>(options, i, step));
  std::vector<Status> statuses(options.connections);
  const auto start = SteadyClock::now();
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < options.connections; ++i) {
    threads.emplace_back([&, i] { statuses[i] = connections[i]->run(); });
  }
  for (std::thread& thread : threads) thread.join();
  LoadResult total;
  total.seconds = seconds_since(start);
  for (uint32_t i = 0; i < options.connections; ++i) {
    if (!statuses[i]) return std::move(statuses[i]).error();
    const LoadResult& one = connections[i]->result();
    total.samples += one.samples;
    total.series += one.series;
    if (i == 0) total.round_seconds = one.round_seconds;
    total.requests += one.requests;
    total.retries += one.retries;
    total.request_seconds.insert(total.request_seconds.end(), one.request_seconds.begin(),
                                 one.request_seconds.end());
    total.encoded_bytes += one.encoded_bytes;
    total.decoded_bytes += one.decoded_bytes;
    total.slowest_request_seconds =
        std::max(total.slowest_request_seconds, one.slowest_request_seconds);
  }
  return total;
}

}  // namespace aerie::bench
