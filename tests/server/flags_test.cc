#include "server/flags.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <vector>

namespace aerie::server {
namespace {

ParsedFlags parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "aerie");
  return parse_flags(static_cast<int>(arguments.size()), arguments.data());
}

TEST_CASE("without flags the defaults hold") {
  const ParsedFlags parsed = parse({});
  REQUIRE(parsed.flags);
  CHECK(parsed.flags->listen_address == ":9707");
  CHECK(parsed.flags->retention == 15LL * 24 * 3600 * 1000);
}

TEST_CASE("flags are read in Prometheus's spelling") {
  const ParsedFlags parsed =
      parse({"--web.listen-address=127.0.0.1:1", "--storage.retention.time=2d", "--log.level=warn",
             "--enable-feature=a,b", "--enable-feature=c", "--web.enable-admin-api"});
  REQUIRE(parsed.flags);
  CHECK(parsed.flags->listen_address == "127.0.0.1:1");
  CHECK(parsed.flags->retention == 2LL * 24 * 3600 * 1000);
  CHECK(parsed.flags->log_level == LogLevel::Warn);
  CHECK(parsed.flags->features == std::vector<std::string>{"a", "b", "c"});
  CHECK(parsed.flags->enable_admin_api);
  const auto& all = parsed.flags->all;
  CHECK(std::count(all.begin(), all.end(),
                   std::pair<std::string, std::string>("storage.retention.time", "2d")) == 1);
  CHECK(std::is_sorted(all.begin(), all.end()));
}

TEST_CASE("sizes are written as in Prometheus, in units of 1024") {
  const auto bytes = [](const char* text) {
    return parse({"--storage.retention.size", text}).flags->retention_bytes;
  };
  CHECK(bytes("0") == 0);
  CHECK(bytes("7B") == 7);
  CHECK(bytes("512MB") == 512u << 20);
  CHECK(bytes("1.5GiB") == 3u << 29);
  CHECK(bytes("1TB512KB") == (1ull << 40) + (512u << 10));
  for (const char* bad : {"512", "MB", "1XB", "1M", "-1GB", "nanMB", "", "99999EB"})
    CHECK_FALSE(parse({"--storage.retention.size", bad}).flags);
}

TEST_CASE("the environment is heard, the command line wins") {
  setenv("AERIE_QUERY_TIMEOUT", "7s", 1);
  CHECK(parse({}).flags->query_timeout == 7'000);
  CHECK(parse({"--query.timeout=8s"}).flags->query_timeout == 8'000);
  unsetenv("AERIE_QUERY_TIMEOUT");
}

TEST_CASE("a wrong flag exits with 2 and says what is wrong") {
  for (const auto& bad : {"--no-such-flag", "--storage.retention.time=soon", "--log.level=loud",
                          "--storage.log-sync=maybe"}) {
    const ParsedFlags parsed = parse({bad});
    INFO(parsed.text);
    CHECK_FALSE(parsed.flags);
    CHECK(parsed.exit_code == 2);
    CHECK(parsed.text.find("--help") != std::string::npos);
  }
}

TEST_CASE("help and version exit with 0") {
  CHECK(parse({"--help"}).exit_code == 0);
  CHECK(parse({"--help"}).text.find("--storage.path") != std::string::npos);
  CHECK(parse({"--version"}).text.find("aerie, version ") == 0);
}

}  // namespace
}  // namespace aerie::server
