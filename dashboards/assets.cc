#include "dashboards/assets.h"

#include <libdeflate.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>

#include "base/check.h"
#include "dashboards/asset_table.h"

namespace aerie::dashboards {
namespace {

std::string_view mime_of(std::string_view path) {
  if (path.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (path.ends_with(".css")) return "text/css; charset=utf-8";
  if (path.ends_with(".html")) return "text/html; charset=utf-8";
  if (path.ends_with(".svg")) return "image/svg+xml";
  return "text/plain; charset=utf-8";
}

std::vector<Asset> read_table() {
  std::vector<Asset> assets;
  for (const EmbeddedFile& file : embedded_files()) {
    const std::string_view path(file.path);
    assets.push_back({path,
                      mime_of(path),
                      file.hash,
                      path.starts_with("/assets/"),
                      {file.begin, static_cast<size_t>(file.end - file.begin)}});
  }
  std::sort(assets.begin(), assets.end(),
            [](const Asset& a, const Asset& b) { return a.path < b.path; });
  return assets;
}

struct DecompressorDeleter {
  void operator()(libdeflate_decompressor* made) const { libdeflate_free_decompressor(made); }
};

}  // namespace

const std::vector<Asset>& all_assets() {
  static const std::vector<Asset> assets = read_table();
  return assets;
}

const Asset* find_asset(std::string_view path) {
  for (const Asset& asset : all_assets()) {
    if (asset.path == path) return &asset;
  }
  return nullptr;
}

std::string unpack(const Asset& asset) {
  // The last four bytes of a gzip file are the length of its content, little endian (RFC
  // 1952, 2.3.1).
  uint32_t size = 0;
  AERIE_CHECK(asset.gzip.size() > sizeof size, "an embedded file is not gzip");
  std::memcpy(&size, asset.gzip.data() + asset.gzip.size() - sizeof size, sizeof size);
  std::string content(size, '\0');
  const std::unique_ptr<libdeflate_decompressor, DecompressorDeleter> decompressor(
      libdeflate_alloc_decompressor());
  const libdeflate_result result =
      libdeflate_gzip_decompress(decompressor.get(), asset.gzip.data(), asset.gzip.size(),
                                 content.data(), content.size(), nullptr);
  AERIE_CHECK(result == LIBDEFLATE_SUCCESS, "an embedded file does not unpack");
  return content;
}

}  // namespace aerie::dashboards
