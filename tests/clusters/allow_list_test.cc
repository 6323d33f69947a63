// The allow-lists that are shipped name what verdicts are made from: no name missing, none too
// many.

#include <catch2/catch.hpp>

#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "clusters/series_meaning.h"
#include "tests/source_folder.h"

using namespace aerie;

namespace {

std::string content(const std::string& name) {
  std::ifstream in(tests::source_folder() + "/dashboards/senders/" + name);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::set<std::string> split(std::string text, char separator) {
  std::set<std::string> parts;
  std::istringstream in(std::move(text));
  for (std::string part; std::getline(in, part, separator);) parts.insert(part);
  return parts;
}

std::string between(const std::string& text, const std::string& begin, char end) {
  const size_t at = text.find(begin);
  REQUIRE(at != std::string::npos);
  const size_t first = at + begin.size();
  return text.substr(first, text.find(end, first) - first);
}

}  // namespace

TEST_CASE("the relabelling keeps exactly what verdicts are made from") {
  const auto kept =
      split(between(content("kube-state-metrics.relabel.yml"), "regex: \"", '"'), '|');
  std::set<std::string> wanted;
  for (const auto& name : clusters::evidence_metric_names()) {
    if (name != "up") wanted.insert(name);
  }
  CHECK(kept == wanted);
}

TEST_CASE("the flags of kube-state-metrics name exactly what it can make of that") {
  const auto kept =
      split(between(content("kube-state-metrics.flags"), "--metric-allowlist=", '\n'), ',');
  std::set<std::string> wanted;
  for (const auto& name : clusters::evidence_metric_names()) {
    const bool own = name.starts_with("kube_") && !name.starts_with("kube_state_metrics_");
    if (own) wanted.insert(name);
  }
  CHECK(kept == wanted);
}
