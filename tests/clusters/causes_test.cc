// Kubernetes' own words, as they come by list and watch, name causes that series cannot.

#include "clusters/causes.h"

#include <catch2/catch.hpp>

using namespace aerie::clusters;

TEST_CASE("why pods are refused is read from the first words") {
  CHECK(refusal_of("") == "");
  CHECK(refusal_of("pods \"api-6ff4d74dc5-822vs\" is forbidden: exceeded quota: q, requested: "
                   "pods=1, used: pods=1, limited: pods=1") == "Quota");
  CHECK(refusal_of("pods \"nosa-6b745f489f-\" is forbidden: error looking up service account "
                   "apps/nobody: serviceaccount \"nobody\" not found") == "ServiceAccount");
  CHECK(refusal_of("pods \"lr-7599ff78bf-8vn26\" is forbidden: maximum cpu usage per Container is "
                   "500m, but limit is 1") == "LimitRange");
  CHECK(refusal_of("admission webhook \"x.y\" denied the request: no") == "Webhook");
  CHECK(refusal_of("pods \"a\" is forbidden: violates PodSecurity \"restricted:latest\"") ==
        "PodSecurity");
  CHECK(refusal_of("etcdserver: request timed out") == "Other");
}

TEST_CASE("why a pod fits nowhere") {
  CHECK(unschedulable_of("0/3 nodes are available: 3 Insufficient cpu.") == "Insufficient");
  CHECK(unschedulable_of("0/3 nodes are available: 1 node(s) had taint {dedicated: gpu}, that the "
                         "pod didn't tolerate, 2 node(s) didn't match Pod's node affinity.") ==
        "Taint");
  CHECK(unschedulable_of("0/3 nodes are available: 3 node(s) didn't match node selector.") ==
        "Affinity");
  CHECK(unschedulable_of("pod has unbound immediate PersistentVolumeClaims: volume") == "Volume");
  CHECK(unschedulable_of("") == "");
}

TEST_CASE("names of refused pods lose what is random") {
  CHECK(without_random_names("pods \"api-6ff4d74dc5-822vs\" is forbidden") ==
        "pods \"api-6ff4d74dc5-*\" is forbidden");
  CHECK(without_random_names("pods \"half") == "pods \"half");
}

TEST_CASE("freed quota is seen although the condition keeps its first words") {
  DeploymentEvidence e;
  e.spec_replicas = Fact{2, 1};
  e.updated = Fact{1, 1};
  e.replica_failure = Condition{Truth::True, "FailedCreate", 1, "pods \"a-1-2\" exceeded quota: q"};
  QuotaEvidence quota{"q", "pods", Fact{1, 1}, Fact{1, 1}};
  e.quotas = {quota};
  REQUIRE(find_causes(e).size() == 1);
  CHECK(find_causes(e)[0].reason() == "FailedCreate/Quota");
  CHECK(find_causes(e)[0].message == "1 pod cannot be created: pods \"a-1-*\" exceeded quota: q");
  e.quotas[0].hard = Fact{10, 1};
  CHECK(find_causes(e)[0].reason() == "FailedCreate");  // the judge makes WaitingForRetry of it
}
