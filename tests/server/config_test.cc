#include "server/config.h"

#include <catch2/catch.hpp>
#include <cstdlib>

namespace aerie::server {
namespace {

const std::string kHash(64, 'a');

std::string error_of(const std::string& text) {
  const auto config = parse_config(text, "aerie.yml");
  REQUIRE_FALSE(config);
  CHECK(config.error().code() == ErrorCode::InvalidArgument);
  return config.error().message();
}

TEST_CASE("an empty file is the defaults") {
  const Config config = parse_config("", "aerie.yml").value();
  CHECK(config.evaluation_interval == 15'000);
  CHECK(config.clusters.empty());
}

TEST_CASE("every key is read") {
  setenv("AERIE_TEST_SITE", "north", 1);
  const Config config = parse_config(R"(
global:
  evaluation_interval: 30s
  external_labels: {site: "${AERIE_TEST_SITE}", plain: a$$b}
rule_files: [rules/*.yml, /etc/aerie/more.yml]
alerting:
  alertmanagers:
    - static_configs: [{targets: ["a:9093", "b:9093"]}]
      path_prefix: /am/
      timeout: 5s
clusters:
  - name: gondor
    tokens: ["sha256:)" + kHash + R"("]
    environment: prod
    zone: eu
    labels: {team: x}
    certificates: ["uri:spiffe://gondor"]
    on_mismatch: verify
    may_write: [rohan-.*]
    write_relabel_configs:
      - {source_labels: [__name__, job], separator: "/", regex: "go_.*", action: Drop}
      - {target_label: site, replacement: ""}
    limits: {active_series: 7, samples_per_second: 2.5}
    unlabelled_pairs: always
limits: {active_series: 5, labels: 20}
ha: {replica_labels: [replica], group_label: prom, unlabelled_pairs: "off", min_silence: 20s, max_silence: 10m}
desired_state: {file: desired.yml}
storage: {tsdb: {out_of_order_time_window: 20m, backfill_days_per_hour: 400, head_memory_limit_mib: 512}}
)",
                                     "conf/aerie.yml")
                            .value();
  CHECK(config.evaluation_interval == 30'000);
  CHECK(config.external_labels ==
        std::vector<std::pair<std::string, std::string>>{{"site", "north"}, {"plain", "a$b"}});
  CHECK(config.rule_files == std::vector<std::string>{"conf/rules/*.yml", "/etc/aerie/more.yml"});
  REQUIRE(config.alertmanagers.size() == 2);
  CHECK(config.alertmanagers[1].url == "http://b:9093/am");
  CHECK(config.alertmanagers[1].timeout == 5'000);
  REQUIRE(config.clusters.size() == 1);
  CHECK(config.clusters[0].labels.size() == 4);
  CHECK(config.clusters[0].on_mismatch == ingest::OnMismatch::Verify);
  CHECK(config.clusters[0].certificates == std::vector<std::string>{"uri:spiffe://gondor"});
  CHECK(config.clusters[0].may_write == std::vector<std::string>{"rohan-.*"});
  REQUIRE(config.clusters[0].write_relabel.size() == 2);
  CHECK(config.clusters[0].write_relabel[0].action == ingest::RelabelRule::Action::Drop);
  CHECK(config.clusters[0].write_relabel[0].separator == "/");
  CHECK(config.clusters[0].write_relabel[1].replacement.empty());
  REQUIRE(config.clusters[0].limits.has_value());
  CHECK(config.clusters[0].limits->active_series == 7);
  CHECK(config.clusters[0].limits->samples_per_second == 2.5);
  CHECK(config.clusters[0].limits->labels == 20);
  CHECK(config.limits.active_series == 5);
  CHECK(config.clusters[0].token_sha256 == std::vector<std::string>{kHash});
  CHECK(config.ha.replica_labels == std::vector<std::string>{"replica"});
  CHECK(config.ha.min_silence == 20'000);
  CHECK(config.desired_state_file == "conf/desired.yml");
  CHECK(config.out_of_order_time_window == 1'200'000);
  CHECK(config.backfill_days_per_hour == 400);
  CHECK(config.head_memory_limit_mib == 512);
}

TEST_CASE("errors name file, line and column and what was expected") {
  CHECK(error_of("globl: {}").find("aerie.yml:1:1") != std::string::npos);
  CHECK(error_of("globl: {}").find("global") != std::string::npos);
  CHECK(error_of("global:\n  evaluation_interval: 5 minutes").find("aerie.yml:2:") !=
        std::string::npos);
  CHECK(error_of("rule_files: []\nrule_files: []").find("aerie.yml:2:1") != std::string::npos);
  CHECK(error_of("clusters: [{name: a}]").find("tokens") != std::string::npos);
  CHECK(error_of("clusters: [{name: a, tokens: [secret]}]").find("sha256") != std::string::npos);
  CHECK(error_of("clusters: [{name: a, certificates: [spiffe]}]").find("dns:") !=
        std::string::npos);
  const std::string token = "tokens: [\"" + kHash + "\"]";
  CHECK(error_of("clusters:\n- name: a\n  " + token +
                 "\n  write_relabel_configs:\n  - {action: keepp}")
            .find("aerie.yml:5:") != std::string::npos);
  CHECK(
      error_of("clusters:\n- name: a\n  " + token + "\n  write_relabel_configs:\n  - {regex: '(('}")
          .find("aerie.yml:5:") != std::string::npos);
  CHECK(error_of("clusters: [{name: a, " + token + ", may_write: ['((']}]").find("may_write") !=
        std::string::npos);
  CHECK(error_of("limits: {active_series: -1}") != "");
  CHECK(error_of("limits: {series: 1}").find("active_series") != std::string::npos);
  const std::string twice = "clusters:\n- {name: a, tokens: [\"" + kHash +
                            "\"]}\n- {name: b, tokens: [\"" + kHash + "\"]}";
  CHECK(error_of(twice).find("used twice") != std::string::npos);
}

TEST_CASE("API servers to watch are named with their kubeconfig, beside the file") {
  const auto config = parse_config(
      "kubernetes:\n- {cluster: gondor, kubeconfig: gondor.kubeconfig, zone: eu-1}\n"
      "- {cluster: rohan, kubeconfig: /k/all, context: rohan, environment: prod}\n",
      "/etc/aerie/aerie.yml");
  REQUIRE(config);
  REQUIRE(config->kubernetes.size() == 2);
  CHECK(config->kubernetes[0].kubeconfig == "/etc/aerie/gondor.kubeconfig");
  CHECK(config->kubernetes[0].zone == "eu-1");
  CHECK(config->kubernetes[1].kubeconfig == "/k/all");
  CHECK(config->kubernetes[1].context == "rohan");
  CHECK(error_of("kubernetes: [{cluster: a}]").find("kubeconfig is missing") != std::string::npos);
  CHECK(error_of("kubernetes: [{kubeconfig: a}]").find("cluster is missing") != std::string::npos);
  CHECK(error_of("kubernetes:\n- {cluster: a, kubeconfig: a}\n- {cluster: a, kubeconfig: b}")
            .find("named twice") != std::string::npos);
}

TEST_CASE("a file that is not there says how to go on") {
  const auto config = load_config("/does/not/exist.yml");
  REQUIRE_FALSE(config);
  CHECK(config.error().code() == ErrorCode::NotFound);
  CHECK(config.error().message().find("--config.file") != std::string::npos);
}

}  // namespace
TEST_CASE("clusters may have a shorter retention") {
  const auto config = parse_config(R"(
retention:
  clusters:
    - {cluster: "dev-.*", time: 3d}
    - {cluster: lab, time: 12h}
)",
                                   "aerie.yml");
  REQUIRE(config);
  REQUIRE(config->cluster_retention.size() == 2);
  CHECK(config->cluster_retention[0].cluster.to_string() == "cluster=~\"dev-.*\"");
  CHECK(config->cluster_retention[1].retention == 12LL * 3600 * 1000);
  const auto message = [](const char* rule) {
    const std::string text = std::string("retention: {clusters: [") + rule + "]}";
    return parse_config(text, "aerie.yml").error().message();
  };
  CHECK(message("{cluster: a, time: 1h}").find("time must be at least 2h") != std::string::npos);
  CHECK(message("{cluster: \"(\", time: 3d}").find("aerie.yml:1:") != std::string::npos);
  CHECK(message("{cluster: a}").find("time") != std::string::npos);
  CHECK(message("{cluster: a, time: 3d, more: 1}").find("more") != std::string::npos);
}

}  // namespace aerie::server
