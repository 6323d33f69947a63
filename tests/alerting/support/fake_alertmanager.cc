#include "tests/alerting/support/fake_alertmanager.h"

#include <boost/json.hpp>
#include <stdexcept>

namespace aerie::alerting::testing {
namespace {

std::string text_of(const boost::json::object& object, const char* name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

std::map<std::string, std::string> map_of(const boost::json::object& object, const char* name) {
  std::map<std::string, std::string> map;
  const auto* value = object.if_contains(name);
  if (value == nullptr || !value->is_object()) return map;
  for (const auto& [key, text] : value->as_object())
    map[std::string(key)] = std::string(text.as_string());
  return map;
}

}  // namespace

std::vector<PostedAlert> parse_posted(const std::string& json) {
  std::vector<PostedAlert> alerts;
  const auto root = boost::json::parse(json);
  for (const auto& value : root.as_array()) {
    const auto& object = value.as_object();
    alerts.push_back({map_of(object, "labels"), map_of(object, "annotations"),
                      text_of(object, "startsAt"), text_of(object, "endsAt"),
                      text_of(object, "generatorURL")});
  }
  return alerts;
}

FakeAlertmanager::FakeAlertmanager() {
  router_.blocking({http::Method::Post}, "/api/v2/alerts", pool_,
                   [this](const http::Request& request) { return receive(request); });
  http::Server::Options options;
  options.listen_address = "127.0.0.1:0";
  auto server = http::Server::start(options, router_, metrics_);
  if (!server) throw std::runtime_error(server.error().message());
  server_ = std::move(*server);
}

std::string FakeAlertmanager::url() const {
  return "http://127.0.0.1:" + std::to_string(server_->port());
}

void FakeAlertmanager::answer_with(int status) {
  const std::lock_guard lock(mutex_);
  status_ = status;
}
void FakeAlertmanager::refuse_alert(const std::string& name) {
  const std::lock_guard lock(mutex_);
  refused_ = name;
}

std::vector<PostedAlert> FakeAlertmanager::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(posted_, {});
}
size_t FakeAlertmanager::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

http::Response FakeAlertmanager::receive(const http::Request& request) {
  const auto alerts = parse_posted(request.body);
  const std::lock_guard lock(mutex_);
  ++requests_;
  if (status_ != 200) return http::Response::text(status_, "as told");
  for (const PostedAlert& alert : alerts) {
    const auto name = alert.labels.find("alertname");
    if (!refused_.empty() && name != alert.labels.end() && name->second == refused_) {
      return http::Response::json(400, "\"refused\"");
    }
  }
  posted_.insert(posted_.end(), alerts.begin(), alerts.end());
  return http::Response::json(200, "");
}

}  // namespace aerie::alerting::testing
