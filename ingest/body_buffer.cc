#include "ingest/body_buffer.h"

#include <fmt/core.h>
#include <libdeflate.h>
#include <snappy.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

namespace aerie::ingest {
namespace {

constexpr std::string_view kZstdMagic("\x28\xb5\x2f\xfd", 4);
// What a frame of unknown length is given at first.
constexpr size_t kFirstZstdBytes = 256u << 10;

bool is_zstd(std::string_view bytes) { return bytes.substr(0, 4) == kZstdMagic; }

Error not_compressed() {
  return Error(ErrorCode::InvalidArgument, "body is not in snappy block format");
}

Error broken_zstd(std::string_view why) {
  return Error(ErrorCode::InvalidArgument, fmt::format("body is not a zstd frame: {}", why));
}

Error too_large(uint64_t length, size_t limit_bytes) {
  return Error(ErrorCode::InvalidArgument,
               fmt::format("request too large: decoded_bytes={} limit_bytes={}; lower "
                           "max_samples_per_send",
                           length, limit_bytes));
}

Error not_gzip() { return Error(ErrorCode::InvalidArgument, "body is not one gzip member"); }

// The last four bytes of a gzip member say how long its content is.
Result<size_t> gzip_length(std::string_view compressed, size_t limit_bytes) {
  constexpr size_t kShortest = 18;
  if (compressed.size() < kShortest) return not_gzip();
  size_t length = 0;
  for (size_t i = 1; i <= 4; ++i)
    length = length << 8 | static_cast<uint8_t>(compressed[compressed.size() - i]);
  if (length > limit_bytes) return too_large(length, limit_bytes);
  return length;
}

// Takes a little-endian number of `bytes` bytes off `rest`; false if it is not all there.
bool take_number(std::string_view& rest, size_t bytes, size_t& number) {
  if (rest.size() < bytes) return false;
  number = 0;
  for (size_t i = 0; i < bytes; ++i)
    number |= static_cast<size_t>(static_cast<uint8_t>(rest[i])) << (8 * i);
  rest.remove_prefix(bytes);
  return true;
}

// One element of a snappy block: so many bytes of the block itself, or from `offset` bytes back.
struct SnappyElement {
  size_t length = 0;
  size_t offset = 0;  // 0: literal
};

bool take_element(std::string_view& rest, SnappyElement& element) {
  const auto tag = static_cast<uint8_t>(rest[0]);
  rest.remove_prefix(1);
  switch (tag & 3) {
    case 0:
      element = {static_cast<size_t>(tag >> 2) + 1, 0};
      if (element.length <= 60) return true;
      if (!take_number(rest, element.length - 60, element.length)) return false;
      ++element.length;
      return true;
    case 1:
      element.length = static_cast<size_t>(tag >> 2 & 7) + 4;
      if (!take_number(rest, 1, element.offset)) return false;
      element.offset |= static_cast<size_t>(tag >> 5) << 8;
      break;
    default:
      element.length = static_cast<size_t>(tag >> 2) + 1;
      if (!take_number(rest, (tag & 3) == 2 ? 2 : 4, element.offset)) return false;
  }
  return element.offset != 0;
}

// The first bytes of what a snappy block holds, at most `room`; 0 if it is broken that early.
size_t snappy_beginning(std::string_view block, char* out, size_t room) {
  size_t declared = 0;
  if (!snappy::GetUncompressedLength(block.data(), block.size(), &declared)) return 0;
  room = std::min(room, declared);
  while (!block.empty() && (block[0] & 0x80) != 0) block.remove_prefix(1);
  if (!block.empty()) block.remove_prefix(1);
  size_t filled = 0;
  while (filled < room) {
    SnappyElement element;
    if (block.empty() || !take_element(block, element)) return 0;
    const size_t length = std::min(element.length, room - filled);
    if (element.offset == 0) {
      if (block.size() < length) return 0;
      std::memcpy(out + filled, block.data(), length);
      block.remove_prefix(std::min(element.length, block.size()));
    } else {
      if (element.offset > filled) return 0;
      // Byte by byte: a copy may reach into what it writes.
      for (size_t i = 0; i < length; ++i) out[filled + i] = out[filled + i - element.offset];
    }
    filled += length;
  }
  return filled;
}

// Nothing if the frame does not say.
Result<std::optional<size_t>> zstd_length(std::string_view compressed, size_t limit_bytes) {
  const unsigned long long length = ZSTD_getFrameContentSize(compressed.data(), compressed.size());
  if (length == ZSTD_CONTENTSIZE_ERROR) return broken_zstd("bad header");
  if (length == ZSTD_CONTENTSIZE_UNKNOWN) return std::optional<size_t>();
  if (length > limit_bytes) return too_large(length, limit_bytes);
  return std::optional<size_t>(static_cast<size_t>(length));
}

}  // namespace

Result<size_t> BodyBuffer::declared_length(std::string_view compressed, size_t limit_bytes,
                                           BodyEncoding encoding) {
  if (encoding == BodyEncoding::Gzip) return gzip_length(compressed, limit_bytes);
  if (encoding == BodyEncoding::Identity) {
    if (compressed.size() > limit_bytes) return too_large(compressed.size(), limit_bytes);
    return compressed.size();
  }
  if (is_zstd(compressed)) {
    const auto length = zstd_length(compressed, limit_bytes);
    if (!length) return length.error();
    return length->value_or(limit_bytes);
  }
  size_t length = 0;
  if (!snappy::GetUncompressedLength(compressed.data(), compressed.size(), &length))
    return not_compressed();
  if (length > limit_bytes) return too_large(length, limit_bytes);
  return length;
}

void BodyBuffer::reserve(size_t length) {
  // One large request must not keep its memory for ever; ordinary ones are below a megabyte.
  constexpr size_t kKeptBytes = 4u << 20;
  if (capacity_ >= length && (capacity_ <= kKeptBytes || length > kKeptBytes)) return;
  bytes_.reset();
  capacity_ = std::bit_ceil(std::max<size_t>(length, 64u << 10));
  bytes_ = std::make_unique_for_overwrite<char[]>(capacity_);
}

Result<std::string_view> BodyBuffer::uncompress(std::string_view compressed, size_t limit_bytes,
                                                BodyEncoding encoding) {
  if (encoding == BodyEncoding::Gzip) return uncompress_gzip(compressed, limit_bytes);
  if (encoding == BodyEncoding::Identity) {
    const auto length = declared_length(compressed, limit_bytes, encoding);
    if (!length) return length.error();
    return compressed;
  }
  if (is_zstd(compressed)) return uncompress_zstd(compressed, limit_bytes);
  const auto length = declared_length(compressed, limit_bytes);
  if (!length) return length.error();
  reserve(*length);
  if (!snappy::RawUncompress(compressed.data(), compressed.size(), bytes_.get()))
    return not_compressed();
  return std::string_view(bytes_.get(), *length);
}

std::string_view BodyBuffer::beginning(std::string_view compressed) {
  if (is_zstd(compressed)) return {};
  reserve(kBeginningBytes);
  return {bytes_.get(), snappy_beginning(compressed, bytes_.get(), kBeginningBytes)};
}

Result<std::string_view> BodyBuffer::uncompress_gzip(std::string_view compressed,
                                                     size_t limit_bytes) {
  const auto length = gzip_length(compressed, limit_bytes);
  if (!length) return length.error();
  reserve(*length);
  struct Free {
    void operator()(libdeflate_decompressor* one) const { libdeflate_free_decompressor(one); }
  };
  const std::unique_ptr<libdeflate_decompressor, Free> inflate(libdeflate_alloc_decompressor());
  size_t used = 0;
  size_t written = 0;
  const libdeflate_result result = libdeflate_gzip_decompress_ex(
      inflate.get(), compressed.data(), compressed.size(), bytes_.get(), *length, &used, &written);
  if (result != LIBDEFLATE_SUCCESS || used != compressed.size() || written != *length)
    return not_gzip();
  return std::string_view(bytes_.get(), written);
}

Result<std::string_view> BodyBuffer::uncompress_zstd(std::string_view compressed,
                                                     size_t limit_bytes) {
  const auto declared = zstd_length(compressed, limit_bytes);
  if (!declared) return declared.error();
  // All at once into one buffer: zstd then allocates no window, whatever size a frame asks for.
  // More than one frame is refused, for the length above is only the first one's.
  const size_t frame = ZSTD_findFrameCompressedSize(compressed.data(), compressed.size());
  if (ZSTD_isError(frame) != 0) return broken_zstd(ZSTD_getErrorName(frame));
  if (frame != compressed.size()) return broken_zstd("bytes behind its end");
  size_t room = declared->value_or(std::min(limit_bytes, kFirstZstdBytes));
  while (true) {
    reserve(room);
    const size_t length = ZSTD_decompress(bytes_.get(), room, compressed.data(), compressed.size());
    if (ZSTD_isError(length) == 0) return std::string_view(bytes_.get(), length);
    const bool grow = ZSTD_getErrorCode(length) == ZSTD_error_dstSize_tooSmall;
    if (!grow || *declared) return broken_zstd(ZSTD_getErrorName(length));
    if (room >= limit_bytes) return too_large(room + 1, limit_bytes);
    room = std::min(limit_bytes, room * 2);
  }
}

}  // namespace aerie::ingest
