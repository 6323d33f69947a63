#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/work_pool.h"
#include "http/router.h"
#include "http/server.h"

namespace aerie::alerting::testing {

/// One alert as it arrived.
struct PostedAlert {
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  std::string starts_at;
  std::string ends_at;
  std::string generator_url;
};

/// A real HTTP server that takes alerts and remembers them. Thread-safe.
class FakeAlertmanager {
 public:
  FakeAlertmanager();
  std::string url() const;
  /// From now on answers this.
  void answer_with(int status);
  /// Refuses (400) every request that carries an alert with this alertname.
  void refuse_alert(const std::string& name);
  /// What came since the last call, in order, of accepted requests only.
  std::vector<PostedAlert> take();
  size_t requests() const;

 private:
  http::Response receive(const http::Request& request);

  mutable std::mutex mutex_;
  int status_ = 200;
  std::string refused_;
  size_t requests_ = 0;
  std::vector<PostedAlert> posted_;

  MetricRegistry metrics_;
  WorkPool pool_{{"fake-am", 1, 64, 0}};
  http::Router router_;
  std::unique_ptr<http::Server> server_;
};

/// The alerts of a request body or of Alertmanager's `GET /api/v2/alerts`.
std::vector<PostedAlert> parse_posted(const std::string& json);

}  // namespace aerie::alerting::testing
