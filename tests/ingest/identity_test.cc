#include "ingest/identity.h"

#include <catch2/catch.hpp>

using namespace aerie::ingest;
using aerie::model::Labels;
using aerie::model::LabelView;

namespace {

// printf secret-a | sha256sum, and the same of secret-b.
constexpr const char* kTokenA = "8766b9cb08e6040b704f1e3ee1e186efccf2635b1d2634d6525333007e6aeae1";
constexpr const char* kTokenB = "ff492ef788c89b555e6f738b33d2422f57dbb6656af2402155672c5f123a90af";

SeriesIdentity accepted(std::vector<LabelView> labels, const ClusterBinding* binding = nullptr,
                        const IngestOptions& options = {}) {
  auto result = identify(std::move(labels), binding, options);
  const auto* refused = std::get_if<Refused>(&result);
  INFO((refused == nullptr ? "" : refused->text));
  REQUIRE(refused == nullptr);
  return std::get<SeriesIdentity>(result);
}

std::string refusal_of(std::vector<LabelView> labels, const ClusterBinding* binding = nullptr,
                       const IngestOptions& options = {}) {
  const auto result = identify(std::move(labels), binding, options);
  const auto* refused = std::get_if<Refused>(&result);
  return refused == nullptr ? "" : std::string(refusal_name(refused->reason));
}

}  // namespace

TEST_CASE("labels are sorted and empty values dropped") {
  const SeriesIdentity identity =
      accepted({{"z", "1"}, {"a", ""}, {"cluster", "eu"}, {"__name__", "up"}});
  CHECK(identity.labels == Labels{{"__name__", "up"}, {"cluster", "eu"}, {"z", "1"}});
  CHECK(identity.cluster == "eu");
  CHECK(identity.replica.empty());
}

TEST_CASE("series that cannot be stored") {
  CHECK(refusal_of({{"a", "1"}}) == "missing_name");
  CHECK(refusal_of({{"__name__", ""}}) == "missing_name");
  CHECK(refusal_of({}) == "missing_name");
  CHECK(refusal_of({{"__name__", "up"}, {"a", "1"}, {"a", "1"}}) == "duplicate_label");
  CHECK(refusal_of({{"__name__", "up"}, {"", "1"}}) == "invalid_label");
  CHECK(refusal_of({{"__name__", "up"}, {"a", "\xff"}}) == "invalid_label");
  CHECK(refusal_of({{"__name__", "up"}, {"\xc3", "x"}}) == "invalid_label");
  CHECK(refusal_of({{"__name__", "üp"}, {"ä b", "x"}}) == "");
  IngestOptions tight;
  tight.limits.labels = 2;
  tight.limits.label_value_bytes = 4;
  CHECK(refusal_of({{"__name__", "up"}, {"a", "1"}, {"b", "1"}}, nullptr, tight) == "label_limit");
  CHECK(refusal_of({{"__name__", "up"}, {"a", "12345"}}, nullptr, tight) == "label_limit");
}

TEST_CASE("the replica label is taken away, and names the group") {
  const SeriesIdentity identity = accepted({{"__name__", "up"},
                                            {"cluster", "eu"},
                                            {"prometheus", "mon/k8s"},
                                            {"prometheus_replica", "prometheus-k8s-1"}});
  CHECK(identity.labels ==
        Labels{{"__name__", "up"}, {"cluster", "eu"}, {"prometheus", "mon/k8s"}});
  CHECK(identity.replica == "prometheus-k8s-1");
  CHECK(identity.group == "mon/k8s");
  CHECK(accepted({{"__name__", "up"}, {"cluster", "eu"}, {"__replica__", "b"}}).replica == "b");
  // Whose replica would it be?
  const SeriesIdentity nobody = accepted({{"__name__", "up"}, {"__replica__", "b"}});
  CHECK(nobody.replica.empty());
  CHECK(nobody.labels.get("__replica__") == "b");
}

TEST_CASE("shards of one Prometheus are groups of their own") {
  CHECK(ha_group("mon/k8s", "prometheus-k8s-0") == "mon/k8s");
  CHECK(ha_group("mon/k8s", "prometheus-k8s-shard-2-0") == "mon/k8s-shard-2");
  CHECK(ha_group("mon/k8s", "prometheus-k8s-shard-2-1") == "mon/k8s-shard-2");
  CHECK(ha_group("mon/k8s", "prometheus-my-shard-x-1") == "mon/k8s");
  CHECK(ha_group("", "a-shard-1") == "");
}

TEST_CASE("a binding sets its labels") {
  ClusterBinding binding{.name = "eu", .labels = {{"cluster", "eu"}, {"zone", "z1"}}};
  SECTION("enforce keeps the application's value") {
    CHECK(
        accepted({{"__name__", "up"}, {"cluster", "us"}}, &binding).labels ==
        Labels{{"__name__", "up"}, {"cluster", "eu"}, {"exported_cluster", "us"}, {"zone", "z1"}});
    CHECK(accepted({{"__name__", "up"}, {"cluster", "us"}, {"exported_cluster", "x"}}, &binding)
              .labels == Labels{{"__name__", "up"},
                                {"cluster", "eu"},
                                {"exported_cluster", "x"},
                                {"exported_exported_cluster", "us"},
                                {"zone", "z1"}});
    CHECK(accepted({{"__name__", "up"}, {"cluster", "eu"}}, &binding).labels ==
          Labels{{"__name__", "up"}, {"cluster", "eu"}, {"zone", "z1"}});
    CHECK(accepted({{"__name__", "up"}, {"cluster", "us"}}, &binding).cluster == "eu");
  }
  SECTION("verify refuses") {
    binding.on_mismatch = OnMismatch::Verify;
    CHECK(refusal_of({{"__name__", "up"}, {"cluster", "us"}}, &binding) == "cluster_mismatch");
    CHECK(refusal_of({{"__name__", "up"}, {"cluster", "eu"}}, &binding) == "");
    CHECK(refusal_of({{"__name__", "up"}}, &binding) == "");
  }
  SECTION("fill adds only") {
    binding.on_mismatch = OnMismatch::Fill;
    const SeriesIdentity identity = accepted({{"__name__", "up"}, {"cluster", "us"}}, &binding);
    CHECK(identity.labels == Labels{{"__name__", "up"}, {"cluster", "us"}, {"zone", "z1"}});
    CHECK(identity.cluster == "us");
  }
}

TEST_CASE("credentials") {
  auto open = BindingTable::create({});
  REQUIRE(open.ok());
  CHECK(open->open_to_all());
  CHECK(open->fingerprint(nullptr) == 0);

  CHECK(!BindingTable::create({{.name = ""}}).ok());
  CHECK(!BindingTable::create({{.name = "eu"}, {.name = "eu"}}).ok());
  CHECK(!BindingTable::create({{.name = "eu", .token_sha256 = {"abc"}}}).ok());
  CHECK(!BindingTable::create(
             {{.name = "eu", .token_sha256 = {kTokenA}}, {.name = "us", .token_sha256 = {kTokenA}}})
             .ok());

  auto table = BindingTable::create(
      {{.name = "eu", .token_sha256 = {kTokenA}}, {.name = "us", .token_sha256 = {kTokenB}}});
  REQUIRE(table.ok());
  CHECK(!table->open_to_all());
  REQUIRE(table->find_token("secret-b") != nullptr);
  CHECK(table->find_token("secret-b")->name == "us");
  CHECK(table->find_token("secret-b")->labels ==
        std::vector<std::pair<std::string, std::string>>{{"cluster", "us"}});
  CHECK(table->find_name("us") == table->find_token("secret-b"));
  CHECK(table->find_name("asia") == nullptr);
  CHECK(table->find_token("") == nullptr);
  CHECK(table->find_token("secret-c") == nullptr);
}

TEST_CASE("certificates are credentials as well") {
  const auto table = BindingTable::create(
      {{.name = "eu", .certificates = {"uri:spiffe://eu/prometheus", "dns:prometheus.eu"}},
       {.name = "us", .certificates = {"cn:us"}}});
  REQUIRE(table.ok());
  const auto name_of = [&](std::vector<std::string> names) {
    const ClusterBinding* binding = table->find_certificate(names);
    return binding == nullptr ? std::string() : binding->name;
  };
  CHECK(name_of({"dns:other", "uri:spiffe://eu/prometheus"}) == "eu");
  CHECK(name_of({"cn:us"}) == "us");
  CHECK(name_of({"dns:us"}).empty());
  CHECK(name_of({}).empty());
  CHECK(!BindingTable::create(
             {{.name = "eu", .certificates = {"cn:a"}}, {.name = "us", .certificates = {"cn:a"}}})
             .ok());
}

TEST_CASE("a fingerprint follows what decides about series, and nothing else") {
  const ClusterBinding plain{.name = "eu", .token_sha256 = {kTokenA}};
  const auto fingerprint = [](const ClusterBinding& binding) {
    const auto table = BindingTable::create({{.name = "first"}, binding});
    return table->fingerprint(table->find_name("eu"));
  };
  ClusterBinding other = plain;
  other.token_sha256 = {kTokenB};
  CHECK(fingerprint(other) == fingerprint(plain));
  other = plain;
  other.labels = {{"zone", "z1"}};
  CHECK(fingerprint(other) != fingerprint(plain));
  other = plain;
  other.on_mismatch = OnMismatch::Fill;
  CHECK(fingerprint(other) != fingerprint(plain));
  other = plain;
  other.may_write = {"us"};
  CHECK(fingerprint(other) != fingerprint(plain));
  other = plain;
  other.write_relabel = {{.source_labels = {"a"}, .action = RelabelRule::Action::Drop}};
  CHECK(fingerprint(other) != fingerprint(plain));
}

TEST_CASE("forwarders name other clusters, never reserved series") {
  const auto table = BindingTable::create({{.name = "hub", .may_write = {"eu-.*", "us"}}});
  REQUIRE(table.ok());
  const ClusterBinding& hub = *table->find_name("hub");
  CHECK(table->forwards(hub, "eu-1"));
  CHECK(table->forwards(hub, "us"));
  CHECK(!table->forwards(hub, "us-2"));
  CHECK(!table->forwards(hub, "hub"));
  CHECK(!table->forwards(hub, ""));
  CHECK(!BindingTable::create({{.name = "hub", .may_write = {"(("}}}).ok());
  CHECK(refusal_of({{"__name__", "aerie_deployment_phase"}, {"cluster", "eu"}}) == "reserved_name");
  CHECK(refusal_of({{"__name__", "aerie_cluster_up"}}) == "reserved_name");
  CHECK(refusal_of({{"__name__", "aerie_http_requests_total"}}) == "");
  CHECK(refusal_of({{"__name__", "ALERTS"}, {"alertname", "X"}}) == "");
}
