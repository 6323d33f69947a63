#include "http/compression.h"

#include <libdeflate.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>

namespace aerie::http {
namespace {

constexpr size_t kMinBytes = 1024;
// Result JSON shrinks to a tenth at any level; the low ones cost a third of the time of zlib's
// default.
constexpr int kLevel = 3;
constexpr int kZstdLevel = 1;

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

/// True if the client takes `coding`, by its name or, with `or_any`, by `*`.
bool accepts(std::string_view accept_encoding, std::string_view coding, bool or_any) {
  while (!accept_encoding.empty()) {
    const size_t comma = std::min(accept_encoding.find(','), accept_encoding.size());
    const std::string_view item = accept_encoding.substr(0, comma);
    accept_encoding.remove_prefix(std::min(comma + 1, accept_encoding.size()));
    const size_t semicolon = std::min(item.find(';'), item.size());
    const std::string_view named = trim(item.substr(0, semicolon));
    if (named != coding && !(or_any && named == "*")) continue;
    return !is_refused(item.substr(semicolon));
  }
  return false;
}

struct CompressorDeleter {
  void operator()(libdeflate_compressor* compressor) const {
    libdeflate_free_compressor(compressor);
  }
};

/// Empty if it would not become smaller.
std::string gzipped(std::string_view body) {
  const std::unique_ptr<libdeflate_compressor, CompressorDeleter> compressor(
      libdeflate_alloc_compressor(kLevel));
  if (!compressor) return {};
  std::string packed(body.size(), '\0');
  packed.resize(libdeflate_gzip_compress(compressor.get(), body.data(), body.size(), packed.data(),
                                         packed.size()));
  return packed;
}

std::string zstd_compressed(std::string_view body) {
  std::string packed(body.size(), '\0');
  const size_t size =
      ZSTD_compress(packed.data(), packed.size(), body.data(), body.size(), kZstdLevel);
  packed.resize(ZSTD_isError(size) != 0 ? 0 : size);
  return packed;
}

}  // namespace

bool accepts_gzip(std::string_view accept_encoding) {
  return accepts(accept_encoding, "gzip", true);
}

Coding preferred_coding(std::string_view accept_encoding) {
  if (accepts(accept_encoding, "zstd", false)) return Coding::Zstd;
  return accepts_gzip(accept_encoding) ? Coding::Gzip : Coding::Identity;
}

void compress_body(Response& response, Coding coding) {
  if (response.body.size() <= kMinBytes || response.headers.has("Content-Encoding")) return;
  if (!is_text(response.headers.get("Content-Type"))) return;
  if (response.headers.get("Vary") != "Accept-Encoding") {
    response.headers.add("Vary", "Accept-Encoding");
  }
  if (coding == Coding::Identity) return;
  std::string packed =
      coding == Coding::Zstd ? zstd_compressed(response.body) : gzipped(response.body);
  if (packed.empty()) return;
  response.body = std::move(packed);
  response.headers.set("Content-Encoding", coding == Coding::Zstd ? "zstd" : "gzip");
}

}  // namespace aerie::http
