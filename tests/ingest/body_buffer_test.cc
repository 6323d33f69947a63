#include "ingest/body_buffer.h"

#include <zstd.h>

#include <catch2/catch.hpp>
#include <string>

#include "tests/ingest/support/write_request.h"

using namespace aerie::ingest;
using namespace aerie::ingest::test;

namespace {

std::string bytes_of(std::initializer_list<int> values) {
  std::string bytes;
  for (const int value : values) bytes.push_back(static_cast<char>(value));
  return bytes;
}

// A frame that does not say how long its content is.
std::string zstd_stream(const std::string& bytes) {
  std::string compressed(ZSTD_compressBound(bytes.size()), 0);
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  compressed.resize(
      ZSTD_compress2(context, compressed.data(), compressed.size(), bytes.data(), bytes.size()));
  ZSTD_freeCCtx(context);
  return compressed;
}

}  // namespace

TEST_CASE("a snappy bomb is refused by its declared length") {
  BodyBuffer buffer;
  const std::string bomb = bytes_of({0xff, 0xff, 0xff, 0xff, 0x0f, 0x00});  // declares 4 GiB
  CHECK(!BodyBuffer::declared_length(bomb, 32u << 20).ok());
  CHECK(!buffer.uncompress(bomb, 32u << 20).ok());
  const std::string large(1 << 20, 'x');
  CHECK(!buffer.uncompress(snappy_block(large), (1 << 20) - 1).ok());
  const auto fits = buffer.uncompress(snappy_block(large), 1 << 20);
  REQUIRE(fits.ok());
  CHECK(*fits == large);
  CHECK(!buffer.uncompress("", 1 << 20).ok());
  CHECK(!buffer.uncompress(bytes_of({0x05, 0x00, 'a'}), 1 << 20)
             .ok());  // declares five bytes, has one
  const auto empty = buffer.uncompress(snappy_block(""), 1 << 20);
  REQUIRE(empty.ok());
  CHECK(empty->empty());
}

TEST_CASE("zstd frames, with their length and without") {
  BodyBuffer buffer;
  const std::string text = "up " + std::string(1 << 20, 'x');
  for (const std::string& frame : {zstd_frame(text), zstd_stream(text)}) {
    const auto whole = buffer.uncompress(frame, 2 << 20);
    REQUIRE(whole.ok());
    CHECK(*whole == text);
    const auto exact = buffer.uncompress(frame, text.size());
    REQUIRE(exact.ok());
    CHECK(!buffer.uncompress(frame, text.size() - 1).ok());
    CHECK(!buffer.uncompress(frame + "x", 2 << 20).ok());
    CHECK(!buffer.uncompress(frame + frame, 4 << 20).ok());
    for (const size_t cut : {4ul, 5ul, 9ul, frame.size() / 2, frame.size() - 1})
      CHECK(!buffer.uncompress(std::string_view(frame).substr(0, cut), 2 << 20).ok());
  }
  CHECK(*BodyBuffer::declared_length(zstd_frame(text), 2 << 20) == text.size());
  CHECK(*BodyBuffer::declared_length(zstd_stream(text), 2 << 20) == 2 << 20);
  // Magic, eight bytes of length: 2^60.
  const std::string bomb = bytes_of({0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x10});
  CHECK(!BodyBuffer::declared_length(bomb, 32u << 20).ok());
  CHECK(!buffer.uncompress(bomb, 32u << 20).ok());
}

TEST_CASE("the beginning of a block is that of its content, however it is compressed") {
  uint64_t state = 7;
  const auto random = [&state] {
    return state = state * 6364136223846793005 + 1442695040888963407;
  };
  for (size_t round = 0; round < 200; ++round) {
    // Runs, repeats of what came before near and far, and noise: all elements of the format.
    std::string content;
    const size_t length = random() >> 48;
    while (content.size() < length) {
      const uint64_t pick = random() >> 33;
      if (pick % 3 == 0) {
        content.append(pick % 90, static_cast<char>(pick >> 8));
      } else if (pick % 3 == 1 && !content.empty()) {
        content += content.substr((pick >> 8) % content.size(), (pick >> 4) % 90);
      } else {
        for (uint64_t i = 0; i < pick % 70; ++i) content += static_cast<char>(random() >> 56);
      }
    }
    BodyBuffer buffer;
    const std::string block = snappy_block(content);
    const std::string_view beginning = buffer.beginning(block);
    INFO("round " << round << ", " << content.size() << " bytes");
    REQUIRE(beginning == content.substr(0, BodyBuffer::kBeginningBytes));
    // Cut off or broken it is empty or wrong, never more.
    CHECK(buffer.beginning(block.substr(0, block.size() / 2)).size() <= content.size());
    std::string broken = block;
    for (size_t i = 0; i < broken.size(); i += 1 + (random() >> 60)) broken[i] ^= 0x55;
    CHECK(buffer.beginning(broken).size() <= BodyBuffer::kBeginningBytes);
  }
  BodyBuffer buffer;
  CHECK(buffer.beginning("").empty());
  CHECK(buffer.beginning(zstd_frame("xxxxxxxx")).empty());
  CHECK(buffer.beginning(bytes_of({0xff, 0xff, 0xff, 0xff, 0x0f, 0x00})).empty());
}
