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
