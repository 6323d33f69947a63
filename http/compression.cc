#include "http/compression.h"

#include <libdeflate.h>

#include <array>
#include <memory>

namespace aerie::http {
namespace {

constexpr size_t kMinBytes = 1024;
// Result JSON shrinks to a tenth at any level; the low ones cost a third of the time of zlib's
// default.
constexpr int kLevel = 3;

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// True for `;q=0`, `; q=0.000`: the client refuses this coding.
bool is_refused(std::string_view parameters) {
  const size_t q = parameters.find("q=");
  if (q == std::string_view::npos) return false;
  return trim(parameters.substr(q + 2)).find_first_not_of("0.") == std::string_view::npos;
}

bool is_text(std::string_view content_type) {
  constexpr std::array<std::string_view, 6> kTypes{"text/",
                                                   "application/json",
                                                   "application/javascript",
                                                   "application/yaml",
                                                   "application/x-ndjson",
                                                   "image/svg+xml"};
  for (const std::string_view type : kTypes) {
    if (content_type.starts_with(type)) return true;
  }
  return false;
}

struct CompressorDeleter {
  void operator()(libdeflate_compressor* compressor) const {
    libdeflate_free_compressor(compressor);
  }
};

}  // namespace

bool accepts_gzip(std::string_view accept_encoding) {
  while (!accept_encoding.empty()) {
    const size_t comma = std::min(accept_encoding.find(','), accept_encoding.size());
    const std::string_view item = accept_encoding.substr(0, comma);
    accept_encoding.remove_prefix(std::min(comma + 1, accept_encoding.size()));
    const size_t semicolon = std::min(item.find(';'), item.size());
    const std::string_view coding = trim(item.substr(0, semicolon));
    if (coding != "gzip" && coding != "*") continue;
    return !is_refused(item.substr(semicolon));
  }
  return false;
}

void compress_body(Response& response, bool client_accepts_gzip) {
  if (response.body.size() <= kMinBytes || response.headers.has("Content-Encoding")) return;
  if (!is_text(response.headers.get("Content-Type"))) return;
  if (response.headers.get("Vary") != "Accept-Encoding") {
    response.headers.add("Vary", "Accept-Encoding");
  }
  if (!client_accepts_gzip) return;

  const std::unique_ptr<libdeflate_compressor, CompressorDeleter> compressor(
      libdeflate_alloc_compressor(kLevel));
  if (!compressor) return;
  std::string packed(response.body.size(), '\0');
  const size_t size = libdeflate_gzip_compress(compressor.get(), response.body.data(),
                                               response.body.size(), packed.data(), packed.size());
  if (size == 0) return;  // it would not have become smaller
  packed.resize(size);
  response.body = std::move(packed);
  response.headers.set("Content-Encoding", "gzip");
}

}  // namespace aerie::http
