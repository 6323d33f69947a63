#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "ingest/negotiation.h"

namespace aerie::ingest {

/// Uncompressed bytes of one request after the other in one buffer that is kept between requests.
/// A body that begins with zstd's magic number is zstd and any other is snappy, whatever its
/// headers said: vmagent has mislabelled blocks that waited in its queue through an upgrade (no
/// snappy block of a message begins with those four bytes). One owner at a time.
class BodyBuffer {
 public:
  /// The length that a body declares; `limit_bytes` for a zstd frame that declares none. Errors:
  /// InvalidArgument if it is neither format or exceeds `limit_bytes`. Looks at the first bytes
  /// only: to be called before anything is allocated.
  static Result<size_t> declared_length(std::string_view compressed, size_t limit_bytes);
  /// Uncompresses; the view holds until the next call. Errors: InvalidArgument for anything but one
  /// whole snappy block or zstd frame of at most `limit_bytes`.
  Result<std::string_view> uncompress(std::string_view compressed, size_t limit_bytes);

 private:
  void reserve(size_t length);
  Result<std::string_view> uncompress_zstd(std::string_view compressed, size_t limit_bytes);

  std::unique_ptr<char[]> bytes_;
  size_t capacity_ = 0;
};

}  // namespace aerie::ingest
