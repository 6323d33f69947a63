#include "http/stream_compressor.h"

#include <zlib.h>
#include <zstd.h>

#include <array>

#include "base/check.h"

namespace aerie::http {
namespace {

// As compress_body() has them: low levels cost a third of the time and shrink JSON nearly as much.
constexpr int kGzipLevel = 1;
constexpr int kZstdLevel = 1;
constexpr int kGzipWindow = 15 + 16;  // the largest window, with gzip's header
constexpr int kMemoryLevel = 8;

}  // namespace

struct StreamCompressor::Gzip {
  Gzip() {
    const int begun = deflateInit2(&stream, kGzipLevel, Z_DEFLATED, kGzipWindow, kMemoryLevel,
                                   Z_DEFAULT_STRATEGY);
    AERIE_CHECK(begun == Z_OK, "deflateInit2 fails only without memory");
  }
  ~Gzip() { deflateEnd(&stream); }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  void run(std::string_view piece, int flush, std::string& out) {
    std::array<unsigned char, 64 * 1024> buffer;
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
    stream.avail_in = static_cast<uInt>(piece.size());
    do {
      stream.next_out = buffer.data();
      stream.avail_out = static_cast<uInt>(buffer.size());
      AERIE_CHECK(deflate(&stream, flush) != Z_STREAM_ERROR, "deflate was called wrongly");
      out.append(reinterpret_cast<const char*>(buffer.data()), buffer.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  }

  z_stream stream{};
};

struct StreamCompressor::Zstd {
  Zstd() : stream(ZSTD_createCCtx()) {
    AERIE_CHECK(stream != nullptr, "ZSTD_createCCtx fails only without memory");
    ZSTD_CCtx_setParameter(stream, ZSTD_c_compressionLevel, kZstdLevel);
  }
  ~Zstd() { ZSTD_freeCCtx(stream); }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;

  void run(std::string_view piece, ZSTD_EndDirective end, std::string& out) const {
    std::array<char, 64 * 1024> buffer;
    ZSTD_inBuffer in{piece.data(), piece.size(), 0};
    size_t left = 0;
    do {
      ZSTD_outBuffer packed{buffer.data(), buffer.size(), 0};
      left = ZSTD_compressStream2(stream, &packed, &in, end);
      AERIE_CHECK(ZSTD_isError(left) == 0, "compression fails only without memory");
      out.append(buffer.data(), packed.pos);
    } while (end == ZSTD_e_end ? left != 0 : in.pos < in.size);
  }

  ZSTD_CCtx* stream;
};

StreamCompressor::StreamCompressor(Coding coding) {
  AERIE_CHECK(coding != Coding::Identity, "nothing to compress with");
  if (coding == Coding::Gzip) {
    gzip_ = std::make_unique<Gzip>();
  } else {
    zstd_ = std::make_unique<Zstd>();
  }
}

StreamCompressor::~StreamCompressor() = default;

void StreamCompressor::append(std::string_view piece) {
  constexpr size_t kMost = 1u << 30;  // zlib counts in 32 bits
  while (!piece.empty()) {
    const std::string_view part = piece.substr(0, kMost);
    piece.remove_prefix(part.size());
    if (gzip_ != nullptr) {
      gzip_->run(part, Z_NO_FLUSH, packed_);
    } else {
      zstd_->run(part, ZSTD_e_continue, packed_);
    }
  }
}

std::string StreamCompressor::finish() {
  if (gzip_ != nullptr) {
    gzip_->run({}, Z_FINISH, packed_);
  } else {
    zstd_->run({}, ZSTD_e_end, packed_);
  }
  return std::move(packed_);
}

std::string_view StreamCompressor::name() const { return gzip_ != nullptr ? "gzip" : "zstd"; }

}  // namespace aerie::http
