#pragma once

#include <cstdint>
#include <string_view>

#include "http/message.h"

namespace aerie::http {

/// True if an Accept-Encoding value takes gzip: named, or by `*`, with a quality above 0 (RFC
/// 9110, 12.5.3).
bool accepts_gzip(std::string_view accept_encoding);

enum class Coding : uint8_t { Identity, Gzip, Zstd };
/// The coding to answer with: zstd where it is named (smaller and cheaper), else gzip where that is
/// taken.
Coding preferred_coding(std::string_view accept_encoding);

/// Compresses a text body larger than 1 KiB, and says so in Content-Encoding and Vary. Leaves alone
/// what is encoded already. Computes in proportion to the body: call it on the thread that made the
/// body. Thread-safe.
void compress_body(Response& response, Coding coding);

}  // namespace aerie::http
