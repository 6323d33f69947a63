#include "store/partition_record.h"

#include <fmt/core.h>

#include "store/byte_io.h"
#include "store/checksum.h"

namespace aerie::store {
namespace {

constexpr uint8_t kVersion = 1;      // 0 had neither erasures nor sealed parts
constexpr uint64_t kCommitSeed = 0;  // the partition's own seed stands inside

template <class T>
void put_big_endian(std::string& out, T value) {
  for (int shift = static_cast<int>(sizeof(T) * 8) - 8; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(value >> shift));
}

template <class T>
T get_big_endian(std::string_view bytes) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i)
    value = static_cast<T>(value << 8 | static_cast<uint8_t>(bytes[i]));
  return value;
}

void decode_erased(ByteReader& in, PartitionInfo& info) {
  info.erasures = in.varint();
  const uint64_t parts = in.varint();
  for (uint64_t i = 0; i < parts && !in.failed(); ++i) {
    SealedPart part;
    part.samples.first = in.zigzag();
    part.samples.last = in.zigzag();
    part.log_end = in.varint();
    info.sealed_parts.push_back(part);
  }
}

constexpr uint64_t kSignBit = uint64_t{1} << 63;

}  // namespace

PartitionName name_of(const PartitionInfo& info) {
  return {info.shard, info.tier, info.start, info.generation};
}

std::string to_string(const PartitionName& name) {
  return fmt::format("partition shard={} tier={} start={} generation={}", name.shard, name.tier,
                     name.start, name.generation);
}

std::string partition_prefix(const PartitionName& name) {
  std::string out;
  put_big_endian(out, name.shard);
  put_big_endian(out, name.tier);
  put_big_endian(out, static_cast<uint64_t>(name.start) ^ kSignBit);
  put_big_endian(out, name.generation);
  return out;
}

Result<PartitionName> parse_prefix(std::string_view key) {
  if (key.size() < kPartitionPrefixBytes)
    return Error(ErrorCode::Corruption, "key is too short for a partition");
  PartitionName name;
  name.shard = get_big_endian<uint16_t>(key);
  name.tier = get_big_endian<uint8_t>(key.substr(2));
  name.start = static_cast<int64_t>(get_big_endian<uint64_t>(key.substr(3)) ^ kSignBit);
  name.generation = get_big_endian<uint32_t>(key.substr(11));
  return name;
}

std::string prefix_end(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (!prefix.empty()) ++prefix.back();
  return prefix;
}

std::string record_key(std::string_view prefix, RecordKind kind) {
  std::string out(prefix);
  put_u8(out, static_cast<uint8_t>(kind));
  return out;
}

std::string record_key(std::string_view prefix, RecordKind kind, uint32_t number) {
  std::string out = record_key(prefix, kind);
  put_big_endian(out, number);
  return out;
}

std::string record_key(std::string_view prefix, RecordKind kind, uint32_t name, uint32_t block) {
  std::string out = record_key(prefix, kind, name);
  put_big_endian(out, block);
  return out;
}

std::string encode_commit(const CommitRecord& record) {
  const PartitionInfo& info = record.info;
  std::string out;
  put_u8(out, kVersion);
  put_varint(out, info.shard);
  put_u8(out, info.tier);
  put_zigzag(out, info.start);
  put_varint(out, info.generation);
  put_varint(out, info.sequence);
  put_zigzag(out, info.samples.first);
  put_zigzag(out, info.samples.last);
  for (const uint64_t number : {info.log_first, info.log_end, info.series_count, info.sample_count,
                                uint64_t{record.groups}, uint64_t{record.clocks}, info.bytes})
    put_varint(out, number);
  put_u64(out, record.seed);
  put_varint(out, record.replaces.size());
  for (const PartitionName& name : record.replaces) {
    put_u8(out, name.tier);
    put_zigzag(out, name.start);
    put_varint(out, name.generation);
  }
  put_varint(out, info.erasures);
  put_varint(out, info.sealed_parts.size());
  for (const SealedPart& part : info.sealed_parts) {
    put_zigzag(out, part.samples.first);
    put_zigzag(out, part.samples.last);
    put_varint(out, part.log_end);
  }
  append_checksum(out, kCommitSeed);
  return out;
}

Result<CommitRecord> decode_commit(std::string_view bytes) {
  Result<std::string_view> content = without_checksum(bytes, kCommitSeed);
  if (!content) return std::move(content).error().with("commit record");
  ByteReader in(*content);
  const uint8_t version = in.u8();
  if (version > kVersion)
    return Error(ErrorCode::InvalidArgument,
                 fmt::format("commit record has format version {}, this program knows {}", version,
                             kVersion));
  CommitRecord record;
  PartitionInfo& info = record.info;
  info.shard = static_cast<uint16_t>(in.varint());
  info.tier = in.u8();
  info.start = in.zigzag();
  info.generation = static_cast<uint32_t>(in.varint());
  info.sequence = in.varint();
  info.samples.first = in.zigzag();
  info.samples.last = in.zigzag();
  info.log_first = in.varint();
  info.log_end = in.varint();
  info.series_count = in.varint();
  info.sample_count = in.varint();
  record.groups = static_cast<uint32_t>(in.varint());
  record.clocks = static_cast<uint32_t>(in.varint());
  info.bytes = in.varint();
  record.seed = in.u64();
  const uint64_t replaced = in.varint();
  for (uint64_t i = 0; i < replaced && !in.failed(); ++i) {
    PartitionName name;
    name.shard = info.shard;
    name.tier = in.u8();
    name.start = in.zigzag();
    name.generation = static_cast<uint32_t>(in.varint());
    record.replaces.push_back(name);
  }
  if (version > 0) decode_erased(in, info);
  if (in.failed() || !in.at_end()) return Error(ErrorCode::Corruption, "commit record is damaged");
  return record;
}

}  // namespace aerie::store
