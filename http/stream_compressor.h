#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "http/compression.h"

namespace aerie::http {

/// Compresses a body while it is being made, so that the whole of it is never in memory: one gzip
/// member or one zstd frame. One owner.
class StreamCompressor {
 public:
  /// `coding` is not Identity.
  explicit StreamCompressor(Coding coding);
  ~StreamCompressor();
  StreamCompressor(const StreamCompressor&) = delete;
  StreamCompressor& operator=(const StreamCompressor&) = delete;

  void append(std::string_view piece);
  /// Ends the stream; everything appended, compressed. Called once.
  std::string finish();
  /// The value of Content-Encoding.
  std::string_view name() const;
  size_t compressed_bytes() const { return packed_.size(); }

 private:
  struct Gzip;
  struct Zstd;
  std::unique_ptr<Gzip> gzip_;  // exactly one of the two
  std::unique_ptr<Zstd> zstd_;
  std::string packed_;
};

}  // namespace aerie::http
