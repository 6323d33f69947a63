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
  /// InvalidArgument if it is not in the format or exceeds `limit_bytes`. Looks at a few bytes
  /// only: to be called before anything is allocated.
  static Result<size_t> declared_length(std::string_view compressed, size_t limit_bytes,
                                        BodyEncoding encoding = BodyEncoding::Snappy);
  /// Uncompresses; the view holds until the next call, and for Identity is `compressed` itself.
  /// Errors: InvalidArgument for anything but one whole block, frame or gzip member of at most
  /// `limit_bytes`.
  Result<std::string_view> uncompress(std::string_view compressed, size_t limit_bytes,
                                      BodyEncoding encoding = BodyEncoding::Snappy);
  /// The first bytes of a snappy block, at most kBeginningBytes, without looking at the rest; the
  /// view holds until the next call. Empty: it is something else, or broken.
  std::string_view beginning(std::string_view compressed);
  static constexpr size_t kBeginningBytes = 1024;
  size_t kept_bytes() const { return capacity_; }

 private:
  Result<std::string_view> uncompress_gzip(std::string_view compressed, size_t limit_bytes);
  void reserve(size_t length);
  Result<std::string_view> uncompress_zstd(std::string_view compressed, size_t limit_bytes);

  std::unique_ptr<char[]> bytes_;
  size_t capacity_ = 0;
};

}  // namespace aerie::ingest
