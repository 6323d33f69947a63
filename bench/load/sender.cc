#include "bench/load/sender.h"

#include <fmt/core.h>
#include <snappy.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

#include "bench/load/node_series.h"
#include "bench/load/write_request.h"
#include "http/client.h"

namespace aerie::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kAttempts = 30;  // one second apart

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

// One connection with its own series; nothing is shared.
class Connection {
 public:
  Connection(const LoadOptions& options, uint32_t number) : options_(options) {
    for (uint32_t target = 0; target < options.targets; ++target) {
      for (uint32_t index = number; index < kSeriesPerTarget; index += options.connections) {
        series_.emplace_back(target, index, options.seed);
        targets_.push_back(target);
      }
    }
    // The order in which a Prometheus scrapes them within one interval.
    order_.resize(series_.size());
    std::iota(order_.begin(), order_.end(), 0u);
    std::stable_sort(order_.begin(), order_.end(),
                     [&](uint32_t a, uint32_t b) { return phase(a) < phase(b); });
  }

  Status run() {
    for (uint32_t scrape = 0; scrape < options_.scrapes; ++scrape) {
      const int64_t start = options_.first_scrape_ms + scrape * options_.interval_ms;
      for (const uint32_t index : order_) {
        add_series(request_, series_[index].label_records(), start + phase(index),
                   series_[index].next());
        if (++pending_ < options_.samples_per_request) continue;
        if (auto sent = send(); !sent) return sent;
      }
    }
    return pending_ > 0 ? send() : Status();
  }

  const LoadResult& result() const { return result_; }

 private:
  int64_t phase(uint32_t index) const {
    return scrape_phase_ms(targets_[index], options_.interval_ms);
  }

  Status send() {
    http::ClientRequest request;
    request.method = http::Method::Post;
    request.url = options_.url;
    request.timeout = std::chrono::seconds(60);
    request.headers.set("Content-Type", "application/x-protobuf");
    request.headers.set("Content-Encoding", "snappy");
    request.headers.set("X-Prometheus-Remote-Write-Version", "0.1.0");
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
  std::vector<NodeSeries> series_;
  std::vector<uint32_t> targets_;  // of series_
  std::vector<uint32_t> order_;
  http::Client client_;
  std::string request_;
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
  std::vector<std::unique_ptr<Connection>> connections;
  for (uint32_t i = 0; i < options.connections; ++i)
    connections.push_back(std::make_unique<Connection>(options, i));
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
    total.requests += one.requests;
    total.retries += one.retries;
    total.encoded_bytes += one.encoded_bytes;
    total.decoded_bytes += one.decoded_bytes;
    total.slowest_request_seconds =
        std::max(total.slowest_request_seconds, one.slowest_request_seconds);
  }
  return total;
}

}  // namespace aerie::bench
