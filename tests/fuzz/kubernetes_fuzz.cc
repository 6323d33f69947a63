#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "clusters/kubernetes/cluster_state.h"
#include "clusters/kubernetes/json_fields.h"
#include "clusters/kubernetes/kubeconfig.h"
#include "clusters/kubernetes/reflector.h"

// Answers of API servers: the first byte chooses collection and way, the rest is the answer.
// Whatever comes, what is known stays consistent, and emptied collections leave nothing behind.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aerie::clusters::kubernetes;
  if (size == 0) return 0;
  const auto collection = static_cast<Collection>(data[0] % kCollections);
  const bool watch = data[0] & 0x80;
  const std::string_view answer(reinterpret_cast<const char*>(data + 1), size - 1);
  if (data[0] == 0x7f) {
    parse_kubeconfig(answer, "kubeconfig", "").ignore("any answer will do");
    return 0;
  }
  ClusterState state("fuzz");
  int64_t now = 0;
  Reflector reflector(
      {.path = "/x", .field_selector = {}, .streamed_list = watch, .page = 1, .seed = 1},
      {.begin = [&] { state.begin_list(collection); },
       .put = [&](const boost::json::object& o) { state.put(collection, o, now); },
       .remove = [&](const boost::json::object& o) { state.remove(collection, o); },
       .end = [&] { state.end_list(collection); }});
  for (int round = 0; round < 2; ++round) {
    now += 100'000;
    if (!reflector.next(now)) break;
    const size_t middle = answer.size() / 2;
    if (reflector.data(200, answer.substr(0, middle), now) ||
        reflector.data(200, answer.substr(middle), now)) {
      reflector.abandoned(now);
    } else {
      reflector.ended(aerie::http::StreamEnd{200, {}}, now);
    }
    for (const auto& key : state.workloads())
      AERIE_CHECK(state.evidence(key, now, now).has_value(), "a workload without evidence");
    state.take_changed();
  }
  for (size_t i = 0; i < kCollections; ++i) {
    state.begin_list(static_cast<Collection>(i));
    state.end_list(static_cast<Collection>(i));
  }
  AERIE_CHECK(state.pods() == 0 && state.workloads().empty(), "emptied, and not empty");
  return 0;
}
