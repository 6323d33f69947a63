#pragma once

#include <string>

#include "base/result.h"

namespace aerie::store {

/// A power cut may tear what RocksDB was writing to its manifest and had not synced; RocksDB takes
/// a checksum that does not hold for damage and refuses to open. Cuts the manifest behind its last
/// whole record when nothing but one torn end follows; leaves it alone, for RocksDB to refuse, when
/// whole records lie behind the broken one. Durable when it returns. Errors: IoError.
/// https://github.com/facebook/rocksdb/wiki/Write-Ahead-Log-File-Format
Status cut_torn_manifest_tail(const std::string& folder);

}  // namespace aerie::store
