#pragma once

#include <string_view>

#include "http/message.h"

namespace aerie::http {

/// True if an Accept-Encoding value takes gzip: named, or by `*`, with a quality above 0 (RFC
/// 9110, 12.5.3).
bool accepts_gzip(std::string_view accept_encoding);

/// Compresses a text body larger than 1 KiB if the client takes it, and says so in Content-Encoding
/// and Vary. Leaves alone what is encoded already. Computes in proportion to the body: call it on
/// the thread that made the body. Thread-safe.
void compress_body(Response& response, bool client_accepts_gzip);

}  // namespace aerie::http
