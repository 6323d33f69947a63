#include <catch2/catch.hpp>
#include <string>

#include "base/yaml_reader.h"
#include "cli/sender_snippets.h"
#include "cli/tokens.h"
#include "ingest/relabel.h"

namespace aerie::cli {
namespace {

TEST_CASE("snippets are YAML that carries name, token and filter") {
  SenderOptions options{.cluster = "prod-eu-1",
                        .environment = "production",
                        .zone = "eu-1",
                        .aerie_url = "https://aerie.example",
                        .token = "s3cret\"",
                        .version2 = true,
                        .filter_kube = true};
  const auto prometheus = sender_snippet("remote-write", options);
  REQUIRE(prometheus.ok());
  const auto root = YamlNode::parse(*prometheus, "snippet.yml");
  REQUIRE(root.ok());
  const auto labels = root->find("global")->find("external_labels");
  CHECK(labels->get_string("cluster").value() == "prod-eu-1");
  CHECK(labels->get_string("zone").value() == "eu-1");
  const auto remotes = root->get_sequence("remote_write").value();
  REQUIRE(remotes.size() == 1);
  CHECK(remotes[0].get_string("url").value() == "https://aerie.example/api/v1/write");
  CHECK(remotes[0].find("authorization")->get_string("credentials").value() == "s3cret\"");
  CHECK(remotes[0].get_string("protobuf_message").value() == "io.prometheus.write.v2.Request");
  CHECK(remotes[0].get_sequence("write_relabel_configs").value().size() == 4);

  const auto operated = sender_snippet("prometheus-operator", options);
  REQUIRE(operated.ok());
  const size_t second = operated->find("---\n");
  REQUIRE(second != std::string::npos);
  CHECK(YamlNode::parse(operated->substr(0, second), "a")->get_string("kind").value() == "Secret");
  const auto resource = YamlNode::parse(operated->substr(second + 4), "b");
  REQUIRE(resource.ok());
  const auto spec = resource->find("spec");
  CHECK(spec->find("externalLabels")->get_string("cluster").value() == "prod-eu-1");
  CHECK(spec->get_sequence("remoteWrite").value()[0].get_string("messageVersion").value() ==
        "V2.0");

  const auto agent = sender_snippet("vmagent", options);
  REQUIRE(agent.ok());
  CHECK(agent->find("-remoteWrite.label=cluster=prod-eu-1\n") != std::string::npos);
  const size_t rules = agent->find("\n\n");
  CHECK(YamlNode::parse(agent->substr(rules), "c")->as_sequence().value().size() == 4);
  CHECK(!sender_snippet("telegraf", options).ok());
}

TEST_CASE("the filter keeps what is not of kube-state-metrics, and of that what is needed") {
  const auto snippet =
      sender_snippet("remote-write", {.cluster = "a", .filter_kube = true}).value();
  const auto root = YamlNode::parse(snippet, "snippet.yml").value();
  std::vector<ingest::RelabelRule> rules;
  const auto remotes = root.get_sequence("remote_write").value();
  const auto nodes = remotes.at(0).get_sequence("write_relabel_configs").value();
  for (const YamlNode& node : nodes) {
    ingest::RelabelRule rule;
    rule.source_labels = node.get_strings("source_labels").value();
    rule.regex = node.get_string("regex", rule.regex).value();
    rule.target_label = node.get_string("target_label").value();
    rule.replacement = node.get_string("replacement", rule.replacement).value();
    rule.action =
        ingest::parse_relabel_action(node.get_string("action", "replace").value()).value();
    rules.push_back(std::move(rule));
  }
  const auto relabeller = ingest::Relabeller::compile(rules).value();
  const auto kept = [&](const std::string& name) {
    ingest::Relabeller::LabelMap labels = {{"__name__", name}, {"a", "b"}};
    return relabeller.apply(labels) &&
           labels == ingest::Relabeller::LabelMap{{"__name__", name}, {"a", "b"}};
  };
  CHECK(kept("up"));
  CHECK(kept("kubelet_running_pods"));
  CHECK(kept("kube_pod_info"));
  for (const std::string& name : kube_series_needed()) CHECK(kept(name));
  CHECK(!kept("kube_configmap_info"));
  CHECK(!kept("kube_pod_info_more"));
}

TEST_CASE("tokens are random, long, and stored as a hash") {
  const std::string token = make_token().value();
  CHECK(token.size() == 6 + 43);
  CHECK(token != make_token().value());
  CHECK(token_entry("secret-a") ==
        "sha256:8766b9cb08e6040b704f1e3ee1e186efccf2635b1d2634d6525333007e6aeae1");
}

TEST_CASE("tokens come into a configuration and out of it, and the rest stays as it is") {
  const std::string old = "sha256:" + std::string(64, 'a');
  const std::string fresh = token_entry("new");
  const std::string flow =
      "# ours\nclusters:\n  - name: eu\n    tokens: [\"" + old +
      "\"]  # since May\n  - {name: us, tokens: ['sha256:" + std::string(64, 'b') + "']}\n";
  const auto with = add_token(flow, "aerie.yml", "eu", fresh);
  REQUIRE(with.ok());
  CHECK(*with == "# ours\nclusters:\n  - name: eu\n    tokens: [\"" + fresh + "\", \"" + old +
                     "\"]  # since May\n  - {name: us, tokens: ['sha256:" + std::string(64, 'b') +
                     "']}\n");
  CHECK(remove_token(*with, "aerie.yml", "eu", fresh).value() == flow);
  const auto turned = remove_token(*with, "aerie.yml", "eu", old);
  REQUIRE(turned.ok());
  CHECK(turned->find("tokens: [\"" + fresh + "\"]  # since May") != std::string::npos);
  CHECK(add_token(flow, "aerie.yml", "us", fresh).ok());
  CHECK(!remove_token(flow, "aerie.yml", "eu", old).ok());  // its last
  CHECK(!remove_token(flow, "aerie.yml", "us", old).ok());
  CHECK(add_token(flow, "aerie.yml", "asia", fresh).error().message().find("- name: asia") !=
        std::string::npos);

  const std::string block =
      "clusters:\n- name: eu\n  tokens:\n  # the old one\n  - " + old + "\n  zone: z1\n";
  const auto longer = add_token(block, "aerie.yml", "eu", fresh);
  REQUIRE(longer.ok());
  CHECK(remove_token(*longer, "aerie.yml", "eu", fresh).value() == block);
  CHECK(remove_token(*longer, "aerie.yml", "eu", old)->find(old) == std::string::npos);
  CHECK(!add_token("clusters: [", "aerie.yml", "eu", fresh).ok());
}

}  // namespace
}  // namespace aerie::cli
