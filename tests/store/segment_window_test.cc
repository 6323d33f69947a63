#include "store/segment_window.h"

#include <random>

#include "tests/store/support/fault_file_system.h"
#include "tests/store/support/partitions.h"

#include <catch2/catch.hpp>

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;

namespace {

constexpr LogPosition kStart = 1000;

/// Records of these payload sizes from kStart on; each says that all before it was durable.
std::string records(const std::vector<size_t>& sizes) {
  std::string out;
  for (const size_t size : sizes) {
    const LogPosition position = kStart + out.size();
    append_frame(out, {position, position, RecordType::Batch, 0,
                       std::string(size, static_cast<char>('a' + size % 26))});
  }
  return out;
}

SegmentWindow window_over(FaultFileSystem& files, const std::string& bytes) {
  auto file = must(files.open("segment", true));
  must(file->write_at(0, std::string(kSegmentHeaderBytes, '\0') + bytes));
  return must(SegmentWindow::open(std::move(file), kStart));
}

}  // namespace

TEST_CASE("records of all sizes are found, also those larger than the window") {
  const std::vector<size_t> sizes = {0, 1, 5'000'000, 17, 4'194'304 - 24, 3, 9'000'000, 0};
  FaultFileSystem files;
  SegmentWindow window = window_over(files, records(sizes) + std::string(100'000, '\0'));
  for (const size_t size : sizes) {
    const auto frame = must(window.frame());
    REQUIRE(frame);
    CHECK(frame->payload.size() == size);
    CHECK(frame->payload == std::string(size, static_cast<char>('a' + size % 26)));
    window.skip_to(window.position() + frame->bytes());
  }
  CHECK(!must(window.frame()));
  CHECK(!must(window.proves_damage()));
  CHECK(must(window.rest()) == std::string(100'000, '\0'));
}

TEST_CASE("damage is proved by what lies behind it, a torn tail by nothing") {
  const std::string good = records({100, 5'000'000, 200});
  for (const size_t damaged : {size_t{0}, size_t{30}, size_t{124}, size_t{4'000'000}}) {
    CAPTURE(damaged);
    std::string bytes = good;
    bytes[damaged] = static_cast<char>(bytes[damaged] ^ 1);
    FaultFileSystem files;
    SegmentWindow window = window_over(files, bytes);
    while (const auto frame = must(window.frame()))
      window.skip_to(window.position() + frame->bytes());
    CHECK(must(window.proves_damage()));
    CHECK(find_proof_of_damage(must(window.rest()), window.position()).has_value());
  }
  for (const size_t cut : {good.size() - 1, good.size() - 230, size_t{200}, size_t{3}}) {
    CAPTURE(cut);
    FaultFileSystem files;
    SegmentWindow window = window_over(files, good.substr(0, cut));
    while (const auto frame = must(window.frame()))
      window.skip_to(window.position() + frame->bytes());
    CHECK(!must(window.proves_damage()));
  }
}

TEST_CASE("an empty file has no records") {
  FaultFileSystem files;
  SegmentWindow window = must(SegmentWindow::open(must(files.open("empty", true)), kStart));
  CHECK(!must(window.frame()));
  CHECK(!must(window.proves_damage()));
  CHECK(must(window.rest()).empty());
}
