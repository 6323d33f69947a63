#include "http/compression.h"

#include <zlib.h>
#include <zstd.h>

#include <catch2/catch.hpp>

#include "http/stream_compressor.h"

namespace aerie::http {

TEST_CASE("gzip is taken when it is named and not refused") {
  CHECK(accepts_gzip("gzip"));
  CHECK(accepts_gzip("deflate, gzip;q=0.5, br"));
  CHECK(accepts_gzip("*"));
  CHECK_FALSE(accepts_gzip(""));
  CHECK_FALSE(accepts_gzip("gzip;q=0"));
  CHECK_FALSE(accepts_gzip("gzip; q=0.000, deflate"));
  CHECK_FALSE(accepts_gzip("xgzip, identity"));
}

TEST_CASE("zstd is preferred where it is named") {
  CHECK(preferred_coding("gzip, deflate, br, zstd") == Coding::Zstd);
  CHECK(preferred_coding("zstd;q=0, gzip") == Coding::Gzip);
  CHECK(preferred_coding("*") == Coding::Gzip);
  CHECK(preferred_coding("br") == Coding::Identity);
  Response response = Response::json(200, std::string(5000, 'a'));
  compress_body(response, Coding::Zstd);
  CHECK(response.headers.get("Content-Encoding") == "zstd");
  std::string body(5000, '\0');
  CHECK(ZSTD_decompress(body.data(), body.size(), response.body.data(), response.body.size()) ==
        5000);
  CHECK(body == std::string(5000, 'a'));
}

/// Of exactly one gzip member; empty if it is none.
std::string gunzipped(const std::string& packed, size_t size) {
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) return {};
  std::string out(size + 1, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int ended = inflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  const bool whole = ended == Z_STREAM_END && stream.avail_in == 0;
  inflateEnd(&stream);
  return whole ? out : std::string();
}

TEST_CASE("pieces become one gzip member or one zstd frame") {
  std::string whole;
  StreamCompressor gzip(Coding::Gzip);
  StreamCompressor zstd(Coding::Zstd);
  CHECK(gzip.name() == "gzip");
  CHECK(zstd.name() == "zstd");
  for (size_t i = 0; i < 300; ++i) {
    const std::string piece(i * 7 % 1009, static_cast<char>('a' + i % 26));
    whole += piece;
    gzip.append(piece);
    zstd.append(piece);
  }
  CHECK(gunzipped(gzip.finish(), whole.size()) == whole);
  const std::string frame = zstd.finish();
  CHECK(ZSTD_findFrameCompressedSize(frame.data(), frame.size()) == frame.size());
  std::string out(whole.size(), '\0');
  CHECK(ZSTD_decompress(out.data(), out.size(), frame.data(), frame.size()) == whole.size());
  CHECK(out == whole);
  CHECK(gunzipped(StreamCompressor(Coding::Gzip).finish(), 0).empty());
}

TEST_CASE("only large text that is not encoded yet is compressed") {
  const auto body_after = [](Response response, bool accepted) {
    compress_body(response, accepted ? Coding::Gzip : Coding::Identity);
    return response;
  };
  const std::string large(5000, 'a');
  const Response packed = body_after(Response::json(200, large), true);
  CHECK(packed.headers.get("Content-Encoding") == "gzip");
  CHECK(packed.headers.get("Vary") == "Accept-Encoding");
  CHECK(packed.body.size() < 100);

  const Response plain = body_after(Response::json(200, large), false);
  CHECK(plain.body == large);
  CHECK(plain.headers.get("Vary") == "Accept-Encoding");
  CHECK_FALSE(body_after(Response::json(200, std::string(1024, 'a')), true).headers.has("Vary"));

  Response encoded = Response::text(200, large);
  encoded.headers.set("Content-Encoding", "snappy");
  CHECK(body_after(encoded, true).body == large);
  Response binary{200, {}, large};
  binary.headers.set("Content-Type", "application/x-protobuf");
  CHECK(body_after(binary, true).body == large);
}

}  // namespace aerie::http
