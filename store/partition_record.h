#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/partition_set.h"

namespace aerie::store {

/// Keys and the commit record of a partition; docs/formats/partition.md.

enum class RecordKind : uint8_t {
  Commit = 1,
  Names = 2,
  Values = 3,
  Postings = 4,
  Series = 5,
  Group = 16,
  Clocks = 17,
  Exemplars = 18
};

inline constexpr size_t kPartitionPrefixBytes = 15;
inline constexpr uint32_t kClocksPerBlock = 64;

/// Which partition, without what is in it.
struct PartitionName {
  uint16_t shard = 0;
  uint8_t tier = 0;
  model::TimestampMs start = 0;
  uint32_t generation = 0;
  auto operator<=>(const PartitionName&) const = default;
};
PartitionName name_of(const PartitionInfo& info);
/// For messages: `partition shard=0 tier=0 start=1800000 generation=1`.
std::string to_string(const PartitionName& name);

/// The 15 bytes that begin every key of the partition.
std::string partition_prefix(const PartitionName& name);
/// Errors: Corruption when shorter than a prefix.
Result<PartitionName> parse_prefix(std::string_view key);
/// The first byte string behind everything that begins with `prefix`.
std::string prefix_end(std::string prefix);
std::string record_key(std::string_view prefix, RecordKind kind);
std::string record_key(std::string_view prefix, RecordKind kind, uint32_t number);
std::string record_key(std::string_view prefix, RecordKind kind, uint32_t name, uint32_t block);

struct CommitRecord {
  PartitionInfo info;  // on disk `bytes` is of the data files; the index file's is added when read
  uint32_t groups = 0;
  uint32_t clocks = 0;
  uint64_t seed = 0;
  std::vector<PartitionName> replaces;
};
std::string encode_commit(const CommitRecord& record);
/// Errors: Corruption; InvalidArgument for a version from the future.
Result<CommitRecord> decode_commit(std::string_view bytes);

}  // namespace aerie::store
