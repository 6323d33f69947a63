#pragma once

#include <optional>
#include <string>
#include <vector>

#include <rocksdb/options.h>

#include "base/result.h"

namespace aerie::store {

/// Where damaged files of a database are kept, below its folder.
inline constexpr char kQuarantineFolder[] = "quarantine";

/// Reads a sorted file from end to end, past every cache. Errors: Corruption, IoError.
Status verify_sst(const rocksdb::Options& options, const std::string& path);

/// RocksDB opens all or nothing. For a database that did not open: moves every sorted file that is
/// damaged to quarantine/ and puts an empty one in its place, and one for each file that `refusal`
/// (RocksDB's words) names and that is missing. Returns their names; none: nothing was changed.
Result<std::vector<std::string>> set_damaged_files_aside(const rocksdb::Options& options,
                                                         const std::string& folder,
                                                         const std::string& refusal);
/// Names of the files set aside, now or earlier.
std::vector<std::string> files_set_aside(const std::string& folder);
/// The sorted files of a database that was closed in order. A manifest whose end was lost would
/// make RocksDB delete what it no longer knows: with this list that is noticed before.
Status write_file_list(const std::string& folder, std::vector<std::string> names);
/// Nothing if there is none, or none that can be trusted.
std::optional<std::vector<std::string>> read_file_list(const std::string& folder);
/// While the database is open the list is not true. Durable when it returns.
Status forget_file_list(const std::string& folder);
/// True if something is stored, but the file that says what the database is made of is missing:
/// RocksDB would begin a new one.
bool lacks_current(const std::string& folder);

/// True once anything was sealed or flushed.
bool holds_sorted_files(const std::string& folder);

/// Undoes it for one file.
Status put_back(const std::string& folder, const std::string& name);

}  // namespace aerie::store
