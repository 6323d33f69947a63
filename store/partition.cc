#include "store/partition.h"

#include <fmt/core.h>

#include "base/log.h"
#include "store/checksum.h"
#include "store/columns.h"

namespace aerie::store {
namespace {

constexpr uint8_t kClocksVersion = 0;

Error note_failure(Damage& damage, const PartitionName& name, Error error) {
  const bool damaged = error.code() == ErrorCode::Corruption;
  Error named = std::move(error).with(to_string(name));
  if (damaged && damage.report(named.message()))
    AERIE_LOG(Error, "a partition is damaged and left out from now on", {"error", named.message()});
  return named;
}

}  // namespace

Partition::Partition(std::shared_ptr<RocksDatabase> database, CommitRecord record)
    : database_(std::move(database)),
      id_(database_->next_id()),
      record_(std::move(record)),
      prefix_(partition_prefix(name_of(record_.info))) {}

Error Partition::failed(Error error) const {
  return note_failure(*damage_, name_of(record_.info), std::move(error));
}

DamagedPartition Partition::damaged() const {
  return {to_string(name_of(record_.info)), record_.info.samples, damage_->reason()};
}

Result<std::string> Partition::record(RocksDatabase::Family family, const std::string& key,
                                      const char* what) const {
  auto value = database_->get(family, key);
  if (!value) return failed(std::move(value).error().with(what));
  if (!value->has_value())
    return failed(Error(ErrorCode::Corruption, fmt::format("{}: record is missing", what)));
  return std::move(**value);
}

Result<std::shared_ptr<const IndexReader>> Partition::index() const {
  if (auto known = index_.copy()) return known;
  // The reader must not keep the partition: it is kept by it.
  const auto get = [database = database_, prefix = prefix_, seed = record_.seed,
                    name = name_of(record_.info), damage = damage_](
                       IndexRecord kind, uint32_t label, uint32_t block) -> Result<std::string> {
    const auto key_kind = static_cast<RecordKind>(kind);
    const std::string key = kind == IndexRecord::Names ? record_key(prefix, key_kind)
                            : kind == IndexRecord::Series
                                ? record_key(prefix, key_kind, block)
                                : record_key(prefix, key_kind, label, block);
    auto value = database->get(RocksDatabase::Family::Index, key);
    if (!value) return note_failure(*damage, name, std::move(value).error().with("index"));
    if (!value->has_value())
      return note_failure(*damage, name, Error(ErrorCode::Corruption, "index: record is missing"));
    auto content = without_checksum(**value, seed);
    if (!content) return note_failure(*damage, name, std::move(content).error().with("index"));
    (*value)->resize(content->size());
    return std::move(**value);
  };
  auto reader = IndexReader::open(get);
  if (!reader) return failed(std::move(reader).error());
  if ((*reader)->series_count() != record_.info.series_count ||
      (*reader)->group_count() != record_.groups)
    return failed(Error(ErrorCode::Corruption, "index and commit record disagree"));
  return index_.with([&](auto& known) {
    if (!known) known = std::move(*reader);
    return known;
  });
}

Result<std::shared_ptr<const ColumnGroup>> Partition::group(uint32_t number) const {
  auto bytes =
      record(RocksDatabase::Family::Data, record_key(prefix_, RecordKind::Group, number), "group");
  if (!bytes) return std::move(bytes).error();
  auto group = ColumnGroup::parse(*bytes, record_.seed);
  if (!group) return failed(std::move(group).error().with(fmt::format("group {}", number)));
  return group;
}

Result<std::shared_ptr<const Partition::Clock>> Partition::clock(uint32_t number) const {
  const auto damaged = [&](Error error) {
    return failed(std::move(error).with(fmt::format("clock {}", number)));
  };
  const uint32_t block = number / kClocksPerBlock;
  auto bytes =
      record(RocksDatabase::Family::Data, record_key(prefix_, RecordKind::Clocks, block), "clocks");
  if (!bytes) return std::move(bytes).error();
  auto content = without_checksum(*bytes, record_.seed);
  if (!content) return damaged(std::move(content).error());
  ByteReader in(*content);
  if (const uint8_t version = in.u8(); version != kClocksVersion)
    return damaged(Error(ErrorCode::Corruption, fmt::format("unknown version {}", version)));
  const uint64_t count = in.varint();
  const uint32_t wanted = number % kClocksPerBlock;
  if (count > kClocksPerBlock || wanted >= count)
    return damaged(Error(ErrorCode::Corruption, "no such clock"));
  uint64_t skip = 0;
  uint64_t size = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t here = in.varint();
    if (i < wanted) skip += here;
    if (i == wanted) size = here;
  }
  in.bytes(skip);
  const std::string_view column = in.bytes(size);
  if (in.failed()) return damaged(Error(ErrorCode::Corruption, "block is too short"));
  auto clock = std::make_shared<Clock>();
  if (Status status = decode_clock(column, *clock); !status)
    return damaged(std::move(status).error());
  return std::shared_ptr<const Clock>(std::move(clock));
}

Result<std::vector<BlockExemplars>> Partition::exemplars(uint32_t number) const {
  const auto damaged = [&](Error error) {
    return failed(std::move(error).with(fmt::format("exemplar block {}", number)));
  };
  const std::string key = record_key(prefix_, RecordKind::Exemplars, number);
  auto value = database_->get(RocksDatabase::Family::Data, key);
  if (!value) return damaged(std::move(value).error());
  if (!value->has_value()) return std::vector<BlockExemplars>();
  auto content = without_checksum(**value, record_.seed);
  if (!content) return damaged(std::move(content).error());
  auto block = parse_exemplar_block(*content);
  if (!block) return damaged(std::move(block).error());
  if (block->back().series >= record_.info.series_count)
    return damaged(Error(ErrorCode::Corruption, "no such series"));
  return block;
}

}  // namespace aerie::store
