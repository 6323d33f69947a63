#include "clusters/kubernetes/reflector.h"

#include <fmt/core.h>

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "clusters/kubernetes/json_fields.h"

namespace aerie::clusters::kubernetes {
namespace {

using Catch::Matchers::Contains;

/// A reflector, the names it knows, and a clock by hand.
class Bench {
 public:
  explicit Bench(bool streamed_list)
      : reflector(
            {.path = "/api/v1/pods",
             .field_selector = {},
             .streamed_list = streamed_list,
             .page = 2,
             .seed = 7},
            {.begin = [this] { fresh.clear(); },
             .put =
                 [this](const boost::json::object& object) {
                   names.insert(name_of(object));
                   fresh.insert(name_of(object));
                 },
             .remove = [this](const boost::json::object& object) { names.erase(name_of(object)); },
             .end = [this] { names = fresh; }}) {}

  static std::string name_of(const boost::json::object& object) {
    return std::string(text_at(*object_at(object, "metadata"), "name"));
  }
  std::string ask() {
    const auto wanted = reflector.next(now);
    return wanted ? wanted->target : "nothing";
  }
  void answer(int status, const std::string& body) {
    reflector.data(status, body, now);
    reflector.ended(http::StreamEnd{status, std::chrono::seconds(0)}, now);
  }
  void list_both() {
    REQUIRE(ask() == "/api/v1/pods?limit=2");
    answer(
        200,
        R"({"metadata":{"resourceVersion":"10"},"items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}]})");
  }

  int64_t now = 1'000'000;
  std::set<std::string> names;
  std::set<std::string> fresh;
  Reflector reflector;
};

std::string event(const std::string& type, const std::string& name, int version) {
  return fmt::format(
      R"({{"type":"{}","object":{{"metadata":{{"name":"{}","resourceVersion":"{}"}}}}}})"
      "\n",
      type, name, version);
}

TEST_CASE("pages are put together, then the watch begins where the list ended") {
  Bench bench(false);
  CHECK_FALSE(bench.reflector.current());
  REQUIRE(bench.ask() == "/api/v1/pods?limit=2");
  CHECK(bench.ask() == "nothing");  // one is under way
  bench.answer(
      200,
      R"({"metadata":{"resourceVersion":"9","continue":"a/b="},"items":[{"metadata":{"name":"a"}}]})");
  CHECK_FALSE(bench.reflector.current());
  REQUIRE(bench.ask() == "/api/v1/pods?limit=2&continue=a%2Fb%3D");
  bench.answer(200, R"({"metadata":{"resourceVersion":"9"},"items":[{"metadata":{"name":"b"}}]})");
  CHECK(bench.reflector.current());
  CHECK(bench.names == std::set<std::string>{"a", "b"});
  const std::string watch = bench.ask();
  CHECK_THAT(watch, Contains("watch=true&allowWatchBookmarks=true&timeoutSeconds=") &&
                        Contains("&resourceVersion=9"));
}

TEST_CASE("events arrive in any pieces, bookmarks move the place") {
  Bench bench(false);
  bench.list_both();
  bench.ask();
  const std::string text = event("ADDED", "c", 11) + event("DELETED", "a", 12) +
                           event("MODIFIED", "b", 13) + event("BOOKMARK", "", 40);
  for (const char byte : text) CHECK_FALSE(bench.reflector.data(200, {&byte, 1}, bench.now));
  CHECK(bench.names == std::set<std::string>{"b", "c"});
  bench.now += 300'000;
  bench.reflector.ended(http::StreamEnd{200, std::chrono::seconds(0)}, bench.now);
  CHECK(bench.reflector.current());
  CHECK_THAT(bench.ask(), Contains("&resourceVersion=40"));  // at once: watches end
}

TEST_CASE("a place that the server has forgotten is listed again, and nothing is lost meanwhile") {
  Bench bench(false);
  bench.list_both();
  bench.ask();
  SECTION("as an event") {
    const bool useless = bench.reflector.data(
        200,
        R"({"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}})"
        "\n",
        bench.now);
    CHECK(useless);
    bench.reflector.abandoned(bench.now);
  }
  SECTION("as a status") { bench.answer(410, R"({"kind":"Status","message":"too old"})"); }
  CHECK(bench.names.size() == 2);
  CHECK(bench.ask() == "nothing");
  bench.now += 1'000;
  REQUIRE(bench.ask() == "/api/v1/pods?limit=2");
  bench.answer(200, R"({"metadata":{"resourceVersion":"50"},"items":[{"metadata":{"name":"z"}}]})");
  CHECK(bench.names == std::set<std::string>{"z"});
  CHECK(bench.reflector.lists() == 2);
}

TEST_CASE("a list whose continuation expired begins anew") {
  Bench bench(false);
  bench.ask();
  bench.answer(
      200,
      R"({"metadata":{"resourceVersion":"9","continue":"x"},"items":[{"metadata":{"name":"a"}}]})");
  bench.ask();
  bench.answer(410, R"({"kind":"Status","message":"expired"})");
  bench.now += 1'000;
  bench.list_both();
  CHECK(bench.names == std::set<std::string>{"a", "b"});
}

TEST_CASE("a streamed list is a list") {
  Bench bench(true);
  CHECK_THAT(bench.ask(), Contains("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"));
  bench.reflector.data(200, event("ADDED", "a", 5) + event("ADDED", "b", 6), bench.now);
  CHECK_FALSE(bench.reflector.current());
  bench.reflector.data(
      200,
      R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"8","annotations":{"k8s.io/initial-events-end":"true"}}}})"
      "\n",
      bench.now);
  CHECK(bench.reflector.current());
  CHECK(bench.names == std::set<std::string>{"a", "b"});
  bench.reflector.data(200, event("DELETED", "a", 9), bench.now);
  CHECK(bench.names == std::set<std::string>{"b"});
}

TEST_CASE("an older server refuses the streamed list and is listed in pages") {
  Bench bench(true);
  bench.ask();
  SECTION("by saying so") {
    bench.answer(422,
                 R"({"kind":"Status","message":"resourceVersionMatch is forbidden for watch"})");
  }
  SECTION("by ending the answer") {
    bench.answer(200, "");
    bench.now += 1'000;
  }
  SECTION("by saying nothing") {
    bench.now += 61'000;
    REQUIRE(bench.reflector.stalled(bench.now));
    bench.reflector.abandoned(bench.now);
    bench.now += 1'000;
  }
  bench.list_both();
  CHECK(bench.reflector.current());
}

TEST_CASE("failures are waited out longer and longer, refusals for half a minute") {
  Bench bench(false);
  int64_t longest = 0;
  for (int i = 0; i < 12; ++i) {
    REQUIRE(bench.ask() == "/api/v1/pods?limit=2");
    bench.reflector.ended(Error(ErrorCode::Unavailable, "refused"), bench.now);
    const int64_t wait = *bench.reflector.due() - bench.now;
    CHECK(wait > 0);
    CHECK(wait <= 30'000);
    longest = std::max(longest, wait);
    bench.now = *bench.reflector.due();
  }
  CHECK(longest >= 15'000);
  CHECK(bench.reflector.trouble() == "refused");
  bench.reflector.hasten(bench.now);
  bench.ask();
  bench.answer(403, R"({"kind":"Status","message":"pods is forbidden"})");
  CHECK(*bench.reflector.due() == bench.now + 30'000);
  CHECK_THAT(bench.reflector.trouble(), Contains("403 pods is forbidden"));
  bench.now += 30'000;
  bench.ask();
  bench.reflector.ended(http::StreamEnd{429, std::chrono::seconds(100)}, bench.now);
  CHECK(*bench.reflector.due() == bench.now + 100'000);
}

TEST_CASE("an answer that is no JSON is asked for again") {
  Bench bench(false);
  bench.ask();
  bench.answer(200, "<html>");
  CHECK_FALSE(bench.reflector.current());
  bench.now += 1'000;
  bench.list_both();
  bench.ask();
  CHECK(bench.reflector.data(200, "<html>\n", bench.now));
}

TEST_CASE("a seed gives the same waits again") {
  Bench one(false);
  Bench two(false);
  for (Bench* bench : {&one, &two}) {
    bench->ask();
    bench->reflector.ended(Error(ErrorCode::Unavailable, "refused"), bench->now);
  }
  CHECK(one.reflector.due() == two.reflector.due());
}

}  // namespace
}  // namespace aerie::clusters::kubernetes
