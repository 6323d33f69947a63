#include "ingest/standby_ring.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace aerie;
using namespace aerie::ingest;

namespace {

const StandbySender kA{"eu", "mon/k8s", "a"};
const StandbySender kB{"eu", "mon/k8s", "b"};

struct Folder {
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "aerie-ring-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  size_t files() const {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path)) count += entry.exists();
    return count;
  }
  std::string path;
};

KeptRequest request(const std::string& body, int64_t until_ms) {
  return {.body = body, .until_ms = until_ms};
}

std::unique_ptr<StandbyRing> open(store::FileSystem& files, StandbyRing::Options options,
                                  int64_t now_ms = 0) {
  auto ring = StandbyRing::open(std::move(options), files, now_ms);
  if (!ring) FAIL(ring.error().message());
  return std::move(*ring);
}

std::vector<std::string> bodies(const StandbyRing::Taken& taken) {
  std::vector<std::string> all;
  for (const KeptRequest& kept : taken.requests) all.push_back(kept.body);
  return all;
}

size_t record_size(const std::string& body) {
  return encode_standby_record(kA, request(body, 0)).size();
}

using Bodies = std::vector<std::string>;

}  // namespace

TEST_CASE("golden bytes of a standby record") {
  const KeptRequest kept{.body = "xyz",
                         .kind = {WireFormat::RemoteWrite2, BodyEncoding::Zstd},
                         .binding = "eu",
                         .until_ms = 0x0102};
  const std::string record = encode_standby_record({"eu", "g", "r0"}, kept);
  const std::string content(
      "\x02\x01\0\0\0\0\0\0\x01\x01\x02\0\0\0eu\x01\0\0\0g\x02\0\0\0r0\x02\0\0\0eu\x03\0\0\0xyz",
      40);
  CHECK(record.substr(0, 8) == std::string("SRY1\x28\0\0\0", 8));
  CHECK(record.substr(16) == content);
  size_t offset = 0;
  const auto decoded = decode_standby_record(record, offset);
  REQUIRE(decoded.ok());
  CHECK(offset == record.size());
  CHECK(decoded->sender == StandbySender{"eu", "g", "r0"});
  CHECK(decoded->request == kept);
  for (size_t length = 0; length < record.size(); ++length) {
    offset = 0;
    if (decode_standby_record(record.substr(0, length), offset).ok()) FAIL("cut at " << length);
  }
  for (size_t i = 0; i < record.size(); ++i) {
    std::string broken = record;
    broken[i] = static_cast<char>(broken[i] ^ 0x40);
    offset = 0;
    if (decode_standby_record(broken, offset).ok()) FAIL("flipped at " << i);
  }
}

TEST_CASE("requests of a standby come back in order, once, until they are too old") {
  const Folder folder;
  store::PosixFileSystem files;
  for (const std::string& where : {std::string(), folder.path}) {
    const auto ring = open(files, {.limit_bytes = 10'000, .folder = where});
    REQUIRE(ring->keep(kA, request("first", 1'000), 0).ok());
    REQUIRE(ring->keep(kB, request("other", 1'000), 0).ok());
    REQUIRE(ring->keep(kA, request("second", 2'000), 500).ok());
    CHECK(ring->holds(kA));
    CHECK(bodies(ring->take(kA, 1'000)) == Bodies{"first", "second"});
    CHECK(!ring->holds(kA));
    CHECK(ring->take(kA, 1'000).requests.empty());
    CHECK(ring->bytes() == record_size("other"));
    CHECK(ring->take(kB, 1'001).requests.empty());
    CHECK(ring->bytes() == 0);
  }
  CHECK(folder.files() == 0);
}

TEST_CASE("what is kept outlives the process, until it is stored") {
  const Folder folder;
  store::PosixFileSystem files;
  const StandbyRing::Options options{.limit_bytes = 10'000, .folder = folder.path};
  {
    const auto ring = open(files, options);
    for (const char* body : {"one", "two"}) REQUIRE(ring->keep(kA, request(body, 1'000), 0).ok());
    REQUIRE(ring->keep(kB, request("old", 10), 0).ok());
  }
  {
    const auto ring = open(files, options, 500);
    CHECK(!ring->holds(kB));
    REQUIRE(ring->keep(kA, request("three", 1'000), 500).ok());
    const auto taken = ring->take(kA, 500);
    CHECK(bodies(taken) == Bodies{"one", "two", "three"});
    // A crash now, before all of it is stored: the files are still there.
    const auto after_crash = open(files, options, 500);
    CHECK(bodies(after_crash->take(kA, 500)) == Bodies{"one", "two", "three"});
  }
  CHECK(folder.files() == 0);
}

TEST_CASE("a torn end costs what is torn") {
  const Folder folder;
  store::PosixFileSystem files;
  const StandbyRing::Options options{.limit_bytes = 10'000, .folder = folder.path};
  {
    const auto ring = open(files, options);
    for (const char* body : {"one", "two"}) REQUIRE(ring->keep(kA, request(body, 1'000), 0).ok());
  }
  const std::string path = std::filesystem::directory_iterator(folder.path)->path();
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  std::ofstream(folder.path + "/00000000000000ff.ring") << "garbage";
  const auto ring = open(files, options);
  CHECK(folder.files() == 1);
  CHECK(bodies(ring->take(kA, 0)) == Bodies{"one"});
}

TEST_CASE("bytes are bounded: a sender's own oldest go first") {
  store::PosixFileSystem files;
  const size_t size = record_size("aaaa");
  const auto ring = open(files, {.limit_bytes = 2 * size + 10, .folder = "", .segment_bytes = 1});
  for (const char* body : {"aaaa", "bbbb", "cccc"})
    REQUIRE(ring->keep(kA, request(body, 1'000), 0).ok());
  CHECK(ring->bytes() == 2 * size);
  CHECK(ring->dropped() == 1);
  // No room, and none of its own to give up.
  REQUIRE(ring->keep(kB, request("dddd", 1'000), 0).ok());
  CHECK(ring->dropped() == 2);
  CHECK(bodies(ring->take(kA, 0)) == Bodies{"bbbb", "cccc"});
  REQUIRE(ring->keep(kB, request(std::string(500, 'x'), 1'000), 0).ok());
  CHECK(ring->dropped() == 3);
  CHECK(ring->bytes() == 0);
}

TEST_CASE("what has grown too old makes room") {
  store::PosixFileSystem files;
  const size_t size = record_size("aaaa");
  const auto ring = open(files, {.limit_bytes = 2 * size, .folder = "", .segment_bytes = 1});
  REQUIRE(ring->keep(kA, request("aaaa", 100), 0).ok());
  REQUIRE(ring->keep(kA, request("bbbb", 900), 0).ok());
  REQUIRE(ring->keep(kA, request("cccc", 900), 500).ok());
  CHECK(ring->dropped() == 0);
  CHECK(ring->take(kA, 500).requests.size() == 2);
}
