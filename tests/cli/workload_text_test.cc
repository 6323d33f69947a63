#include "cli/workload_text.h"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

using namespace aerie::cli;

namespace {

boost::json::value workload(const std::string& shire_phase, const std::string& shire_reason) {
  return boost::json::parse(
      R"({"namespace":"shop","name":"nginx","kind":"Deployment","phase":")" + shire_phase +
      R"(","reason":")" + shire_reason +
      R"(@shire","desiredReplicas":5,"createdReplicas":5,)"
      R"("readyReplicas":4,"unknownReplicas":0,"clusters":[)"
      R"({"cluster":"gondor","phase":"Complete","reason":"","message":"","desired":3,"spec":3,"updated":3,"ready":3,"available":3,"since":1000,"evidenceAgeSeconds":3,"causes":[]},)"
      R"({"cluster":"shire","phase":")" +
      shire_phase + R"(","reason":")" + shire_reason +
      R"(","message":"","desired":2,"spec":2,"updated":1,"ready":1,"available":null,"since":1060,"evidenceAgeSeconds":4,"warnings":["Restarting: 2 in 10 minutes"],)"
      R"("causes":[{"reason":"ImagePull/ImagePullBackOff","count":1,"message":"1 of 2 pods cannot pull the image"}]}],)"
      R"("drift":[{"cluster":"shire","field":"image","own":"nginx:2","most":"nginx:1"}]})");
}

const boost::json::value kTimeline = boost::json::parse(
    R"({"events":[{"at":1060,"cluster":"shire","event":"Stalled","reason":"ImagePull/ImagePullBackOff","message":"no"}]})");

}  // namespace

TEST_CASE("describe shows clusters side by side, causes, drift and events") {
  CHECK(describe_workload(workload("Stalled", "ImagePull/ImagePullBackOff"), kTimeline, 1120) ==
        "Name:         nginx\n"
        "Namespace:    shop\n"
        "Kind:         Deployment\n"
        "Phase:        Stalled\n"
        "Reason:       ImagePull/ImagePullBackOff@shire\n"
        "Replicas:     5 desired | 5 created | 4 ready | 0 unknown\n"
        "Clusters:\n"
        "  CLUSTER   DESIRED   SPEC   UPDATED   READY   AVAILABLE   PHASE      REASON              "
        "         SINCE   AS-OF\n"
        "  gondor    3         3      3         3       3           Complete                       "
        "         2m      3s\n"
        "  shire     2         2      1         1       ?           Stalled    "
        "ImagePull/ImagePullBackOff   60s     4s\n"
        "Causes:\n"
        "  shire: ImagePull/ImagePullBackOff (1): 1 of 2 pods cannot pull the image\n"
        "  shire: warning: Restarting: 2 in 10 minutes\n"
        "Drift:\n"
        "  shire: image nginx:2, most have nginx:1\n"
        "Events:\n"
        "  AGE   CLUSTER   EVENT     REASON                       MESSAGE\n"
        "  60s   shire     Stalled   ImagePull/ImagePullBackOff   no\n");
}

TEST_CASE("rollout status ends when it is over, one way or the other") {
  const auto broken = rollout_progress(workload("Stalled", "ImagePull/ImagePullBackOff"), {});
  CHECK(broken.exit_code == 1);
  CHECK(broken.line ==
        "Deployment \"nginx\" is broken in 1 of 2 clusters: shire: Stalled "
        "ImagePull/ImagePullBackOff");
  const auto waiting = rollout_progress(workload("Progressing", "RollingOut"), {});
  CHECK_FALSE(waiting.exit_code);
  CHECK(waiting.line ==
        "Waiting for \"nginx\": 1 of 2 clusters are complete; shire: Progressing "
        "RollingOut (1 of 2 updated, ? available)");
  CHECK(rollout_progress(workload("Complete", ""), {}).exit_code == 0);
  CHECK(rollout_progress(workload("Complete", ""), {}).line ==
        "\"nginx\" successfully rolled out in 2 clusters");
}

TEST_CASE("rollout status looks at the clusters it is asked for; silence is no success") {
  CHECK(rollout_progress(workload("Stalled", "x"), {"gondor"}).exit_code == 0);
  CHECK_FALSE(rollout_progress(workload("Unknown", "StaleData"), {}).exit_code);
  const auto unseen = rollout_progress(workload("Complete", ""), {"gondor", "mordor"});
  CHECK_FALSE(unseen.exit_code);
  CHECK(unseen.line ==
        "Waiting for \"nginx\": 1 of 2 clusters are complete; mordor: Unknown NotSeen");
}
