#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace aerie::dashboards {

/// A file of the web pages, embedded in the program. Views of constant memory.
struct Asset {
  std::string_view path;  ///< below the root, "/assets/main-X.js"
  std::string_view mime;
  std::string_view hash;          ///< changes when the content does
  bool named_by_content = false;  ///< its name carries a hash: clients may keep it for ever
  std::string_view gzip;          ///< the content, compressed
};

/// All files, sorted by path. Thread-safe.
const std::vector<Asset>& all_assets();
/// The file of this exact path, or null. Thread-safe.
const Asset* find_asset(std::string_view path);
/// The content of a file, for clients that take no gzip. Milliseconds.
std::string unpack(const Asset& asset);

}  // namespace aerie::dashboards
