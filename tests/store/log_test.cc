#include "store/local_log.h"

#include <fmt/format.h>

#include "store/byte_io.h"
#include "store/crc32c.h"
#include "tests/store/support/fault_file_system.h"
#include "tests/store/support/partitions.h"

#include <catch2/catch.hpp>

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;

namespace {

/// A log in memory, opened and reopened.
struct LogFixture {
  FaultFileSystem files;
  ManualClock clock{1000};
  LocalLog::Options options;
  std::unique_ptr<LocalLog> log;
  std::vector<std::string> replayed;

  LogFixture() {
    options.folder = "log";
    options.first_segment_bytes = 512;
    options.segment_bytes = 2048;
  }
  Status open() {
    log.reset();
    replayed.clear();
    auto opened = LocalLog::open(options, clock, files, [this](const LogFrame& frame) -> Status {
      replayed.push_back(std::string(frame.payload));
      return {};
    });
    if (!opened) return std::move(opened).error();
    log = std::move(*opened);
    return {};
  }
  Status put(const std::string& payload) {
    if (auto added = log->add(RecordType::Batch, payload); !added) return std::move(added).error();
    return log->commit();
  }
  void checkpoint() {
    must(log->begin_checkpoint());
    must(log->add(RecordType::Checkpoint, std::string("\1state", 6)));
    must(log->commit());
    log->finish_checkpoint();
  }
  /// Drops the log as a killed process does: nothing more is written.
  void kill(uint64_t survivors = 0) {
    // The open object still refers to the old content; it is closed against files that no longer
    // matter.
    files.set_space(0);
    log->close().ignore("killed");
    files.crash(survivors);
    log.reset();
  }
};

std::vector<std::string> numbered(int first, int last) {
  std::vector<std::string> out;
  for (int i = first; i <= last; ++i) out.push_back("record " + std::to_string(i));
  return out;
}

}  // namespace

TEST_CASE("crc32c gives the values of RFC 3720") {
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aa);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43);
  CHECK(crc32c("123456789") == 0xe3069283);
  CHECK(crc32c_extend(crc32c("12345"), "6789") == 0xe3069283);
}

TEST_CASE("golden bytes: segment header and frame") {
  std::string bytes;
  append_frame(bytes, {0x0102, 0x0100, RecordType::Batch, 3, "hi"});
  REQUIRE(bytes.size() == 26);
  CHECK(bytes.substr(4) ==
        std::string("\x02\0\0\0\x02\x01\0\0\0\0\0\0\x02\0\0\0\x01\0\x03\0hi", 22));
  uint32_t crc = 0;
  std::copy_n(bytes.data(), 4, reinterpret_cast<char*>(&crc));
  CHECK(crc == crc32c(bytes.substr(4)));
  const std::string longer = bytes + "rest";
  const auto frame = read_frame(longer, 0x0102);
  REQUIRE(frame);
  CHECK(frame->payload == "hi");
  CHECK(frame->durable == 0x0100);
  CHECK(frame->shard == 3);
  CHECK_FALSE(read_frame(bytes, 0x0103));

  const SegmentHeader header{SegmentHeader::kCheckpoint, 5, 0x1122, 4096};
  const std::string head = encode_segment_header(header);
  REQUIRE(head.size() == 64);
  CHECK(head.substr(0, 40) ==
        std::string(
            "AERIELOG\x01\0\0\0\x02\0\0\0\x05\0\0\0\0\0\0\0\x22\x11\0\0\0\0\0\0\0\x10\0\0\0\0\0\0",
            40));
  CHECK(must(decode_segment_header(head)) == header);
  std::string future = head;
  future[8] = 2;
  const uint32_t fixed = crc32c(future.substr(0, 60));
  std::copy_n(reinterpret_cast<const char*>(&fixed), 4, future.data() + 60);
  CHECK(decode_segment_header(future).error().code() == ErrorCode::InvalidArgument);
}

TEST_CASE("records come back in order, over many segments and restarts") {
  LogFixture fixture;
  must(fixture.open());
  for (int i = 0; i < 300; ++i) {
    must(fixture.put("record " + std::to_string(i)));
    if (i % 50 != 49) continue;
    const LogPosition end = fixture.log->committed_end();
    must(fixture.open());
    CHECK(fixture.replayed == numbered(0, i));
    CHECK(fixture.log->committed_end() == end);
  }
}

TEST_CASE("a group is one sync") {
  LogFixture fixture;
  must(fixture.open());
  must(fixture.put("first"));
  const int syncs = fixture.files.syncs();
  for (int i = 0; i < 5; ++i) must(fixture.log->add(RecordType::Batch, "x"));
  must(fixture.log->commit());
  CHECK(fixture.files.syncs() == syncs + 1);
}

TEST_CASE("a write torn at any byte loses nothing acknowledged and invents nothing") {
  for (uint64_t survivors = 0; survivors < 140; ++survivors) {
    LogFixture fixture;
    must(fixture.open());
    must(fixture.put("record 0"));
    must(fixture.put("record 1"));
    // A group whose sync never happens: the power goes after `survivors` bytes.
    for (int i = 2; i < 6; ++i)
      must(fixture.log->add(RecordType::Batch, "record " + std::to_string(i)));
    fixture.files.fail_syncs(2);
    CHECK_FALSE(fixture.log->commit().ok());
    fixture.kill(survivors);
    must(fixture.open());
    REQUIRE(fixture.replayed.size() >= 2);
    CHECK(fixture.replayed == numbered(0, static_cast<int>(fixture.replayed.size()) - 1));
    // And the log goes on behind what was read.
    const auto before = fixture.replayed;
    must(fixture.put("after"));
    must(fixture.open());
    REQUIRE(fixture.replayed.size() == before.size() + 1);
    CHECK(fixture.replayed.back() == "after");
  }
}

TEST_CASE("a torn write in an open group without failure is cut off") {
  // Interval mode leaves written bytes unsynced; a power cut tears them at any byte.
  for (uint64_t survivors = 0; survivors < 130; ++survivors) {
    LogFixture fixture;
    fixture.options.sync = SyncMode::Off;
    fixture.options.first_segment_bytes = 2048;
    must(fixture.open());
    for (int i = 0; i < 4; ++i) must(fixture.put("record " + std::to_string(i)));
    fixture.files.crash(64 + survivors);
    fixture.files.fail_syncs(100);  // the object outlives the crash, what it still does must not
    fixture.log.reset();
    fixture.files.crash();
    must(fixture.open());
    CHECK(fixture.replayed == numbered(0, static_cast<int>(fixture.replayed.size()) - 1));
  }
}

TEST_CASE("a failed sync poisons the segment and the group goes to a fresh one") {
  LogFixture fixture;
  must(fixture.open());
  must(fixture.put("record 0"));
  const LogPosition durable = fixture.log->committed_end();
  fixture.files.fail_syncs(1);
  must(fixture.put("record 1"));
  CHECK(fixture.log->committed_end() > durable);
  must(fixture.put("record 2"));
  fixture.kill();
  must(fixture.open());
  CHECK(fixture.replayed == numbered(0, 2));
}

TEST_CASE("a second failure answers unavailable, forgets the group, and later writes succeed") {
  LogFixture fixture;
  must(fixture.open());
  must(fixture.put("record 0"));
  const LogPosition end = fixture.log->committed_end();
  fixture.files.fail_syncs(2);
  const auto failed = fixture.put("lost");
  REQUIRE(!failed);
  CHECK(failed.error().code() == ErrorCode::Unavailable);
  CHECK(fixture.log->committed_end() == end);
  must(fixture.put("record 1"));
  must(fixture.put("record 2"));
  fixture.kill();
  must(fixture.open());
  CHECK(fixture.replayed == numbered(0, 2));
}

TEST_CASE("a full disk answers unavailable and nothing acknowledged is lost") {
  LogFixture fixture;
  must(fixture.open());
  int written = 0;
  fixture.files.set_space(6000);
  Status status;
  while (status.ok()) {
    status = fixture.put("record " + std::to_string(written));
    if (status.ok()) ++written;
  }
  CHECK(status.error().code() == ErrorCode::Unavailable);
  REQUIRE(written > 10);
  SECTION("space comes back") {
    fixture.files.set_space(UINT64_MAX);
    must(fixture.put("record " + std::to_string(written++)));
  }
  SECTION("the process ends") {}
  fixture.kill();
  must(fixture.open());
  CHECK(fixture.replayed == numbered(0, written - 1));
}

TEST_CASE("damage in the middle is told from a torn tail and names what is lost") {
  LogFixture fixture;
  must(fixture.open());
  for (int i = 0; i < 3; ++i) must(fixture.put("record " + std::to_string(i)));
  fixture.log.reset();
  SECTION("in a record that was acknowledged") {
    fixture.files.damage("log/0000000000000001.seg", 64 + 32 + 25);
    const auto refused = fixture.open();
    REQUIRE(!refused);
    CHECK(refused.error().code() == ErrorCode::Corruption);
    CHECK(refused.error().message().find("position 32") != std::string::npos);
    CHECK(refused.error().message().find("32 bytes") != std::string::npos);
  }
  SECTION("in the header of a segment that is followed by another") {
    must(fixture.open());
    must(fixture.put("record 3"));
    fixture.log.reset();
    fixture.files.damage("log/0000000000000001.seg", 20);
    CHECK(fixture.open().error().code() == ErrorCode::Corruption);
  }
  SECTION("in a closed segment") {
    must(fixture.open());
    must(fixture.put("record 3"));
    fixture.log.reset();
    fixture.files.damage("log/0000000000000001.seg", 64 + 70);
    const auto refused = fixture.open();
    REQUIRE(!refused);
    CHECK(refused.error().message().find("from position 64 to 96") != std::string::npos);
  }
  SECTION("a missing file") {
    must(fixture.open());
    must(fixture.put("record 3"));
    must(fixture.open());
    must(fixture.put("record 4"));
    fixture.log.reset();
    must(fixture.files.remove("log/0000000000000002.seg"));
    CHECK(fixture.open().error().code() == ErrorCode::Corruption);
  }
}

TEST_CASE("trimming keeps everything from the newest checkpoint before the first unsealed record") {
  LogFixture fixture;
  must(fixture.open());
  for (int i = 0; i < 40; ++i) must(fixture.put("record " + std::to_string(i)));
  const LogPosition first_checkpoint = fixture.log->committed_end();
  fixture.checkpoint();
  for (int i = 40; i < 80; ++i) must(fixture.put("record " + std::to_string(i)));
  const LogPosition second_checkpoint = fixture.log->committed_end();
  fixture.checkpoint();
  must(fixture.put("record 80"));
  const uint64_t bytes = fixture.log->file_bytes();

  must(fixture.log->trim(first_checkpoint - 1));  // no checkpoint is old enough
  CHECK(fixture.log->file_bytes() == bytes);
  must(fixture.log->trim(second_checkpoint - 1));
  CHECK(fixture.log->file_bytes() < bytes);
  must(fixture.open());
  REQUIRE(fixture.replayed.size() == 43);
  CHECK(fixture.replayed[0] == std::string("\1state", 6));
  CHECK(fixture.replayed[1] == "record 40");

  fixture.checkpoint();  // a checkpoint of an earlier run counts as well
  must(fixture.log->trim(UINT64_MAX));
  must(fixture.put("record 81"));
  must(fixture.open());
  CHECK(fixture.replayed == std::vector<std::string>{std::string("\1state", 6), "record 81"});
}

TEST_CASE("recycled files never bring their former records back") {
  LogFixture fixture;
  must(fixture.open());
  int next = 0;
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 90; ++i) must(fixture.put("record " + std::to_string(next++)));
    must(fixture.log->prepare_spare());
    fixture.checkpoint();
    must(fixture.log->trim(fixture.log->committed_end()));
    for (int i = 0; i < 5; ++i) must(fixture.put("record " + std::to_string(next++)));
    fixture.kill();
    must(fixture.open());
    REQUIRE(fixture.replayed.size() == 6);
    CHECK(fixture.replayed.back() == "record " + std::to_string(next - 1));
  }
}

TEST_CASE("a checkpoint that was not finished is not a beginning") {
  LogFixture fixture;
  must(fixture.open());
  must(fixture.put("record 0"));
  fixture.checkpoint();
  must(fixture.put("record 1"));
  must(fixture.log->begin_checkpoint());
  must(fixture.log->add(RecordType::Checkpoint, std::string("\0part", 5)));
  must(fixture.log->commit());
  fixture.kill();
  must(fixture.open());
  CHECK(fixture.replayed.front() == "record 0");
  must(fixture.log->trim(UINT64_MAX));
  must(fixture.open());
  CHECK(fixture.replayed.front() == std::string("\1state", 6));
}

TEST_CASE("a segment whose creation was interrupted leaves no trace") {
  LogFixture fixture;
  SECTION("the very first one") { must(fixture.open()); }
  SECTION("a later one") {
    must(fixture.open());
    must(fixture.put("record 0"));
    must(fixture.open());
  }
  const size_t before = fixture.replayed.size();
  // The file is made and filled; the power goes before its header is synced.
  must(fixture.log->add(RecordType::Batch, "lost"));
  fixture.files.fail_syncs(0);
  const auto name = before == 0 ? "log/0000000000000001.seg" : "log/0000000000000002.seg";
  must(must(fixture.files.open(name, true))->preallocate(512));
  fixture.kill();
  for (int round = 0; round < 3; ++round) {
    must(fixture.open());
    must(fixture.put("record " + std::to_string(before + static_cast<size_t>(round))));
  }
  must(fixture.open());
  CHECK(fixture.replayed == numbered(0, static_cast<int>(before) + 2));
}

TEST_CASE("a record larger than a segment is refused, and so are records after close") {
  LogFixture fixture;
  must(fixture.open());
  CHECK(fixture.log->add(RecordType::Batch, std::string(2048, 'x')).error().code() ==
        ErrorCode::InvalidArgument);
  must(fixture.put(std::string(1900, 'x')));
  must(fixture.log->close());
  CHECK(fixture.put("x").error().code() == ErrorCode::Unavailable);
  must(fixture.open());
  CHECK(fixture.replayed.size() == 1);
}
