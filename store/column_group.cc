#include "store/column_group.h"

#include <fmt/core.h>
#include <zstd.h>

#include "store/checksum.h"

namespace aerie::store {
namespace {

constexpr uint8_t kVersion = 0;
constexpr uint8_t kDirectoryCompressed = 1;
constexpr uint8_t kBodiesCompressed = 2;
constexpr uint8_t kSameSeries = 0x80;
constexpr uint64_t kMaxSectionBytes = 256u << 20;
// The directory is parsed at every read of a group and full of repetitions, bodies are mostly
// random bits.
constexpr size_t kDirectoryGainPercent = 3;
constexpr size_t kBodiesGainPercent = 6;
constexpr int kCompressionLevel = 3;

Error corrupt(std::string message) { return Error(ErrorCode::Corruption, std::move(message)); }

Result<std::string> read_section(ByteReader& in, uint64_t size, uint64_t stored_size,
                                 bool compressed) {
  const std::string_view stored = in.bytes(stored_size);
  if (in.failed() || size > kMaxSectionBytes) return corrupt("column group: bad section size");
  if (!compressed) {
    if (size != stored_size) return corrupt("column group: bad section size");
    return std::string(stored);
  }
  if (ZSTD_getFrameContentSize(stored.data(), stored.size()) != size)
    return corrupt("column group: bad section size");
  std::string out(size, '\0');
  const size_t got = ZSTD_decompress(out.data(), out.size(), stored.data(), stored.size());
  if (ZSTD_isError(got) || got != size) return corrupt("column group: damaged zstd frame");
  return out;
}

}  // namespace

struct GroupBuilder::Compressor {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ~Compressor() { ZSTD_freeCCtx(context); }
};

GroupBuilder::GroupBuilder(uint64_t seed)
    : seed_(seed), compressor_(std::make_unique<Compressor>()) {}
GroupBuilder::~GroupBuilder() = default;

void GroupBuilder::add(uint32_t series, ColumnRole role, uint32_t clock,
                       const ColumnBytes& column) {
  if (empty()) {
    first_series_ = last_series_ = series;
    last_clock_ = 0;
  }
  const bool same = !empty() && series == last_series_;
  AERIE_CHECK(empty() || same || series == last_series_ + 1, "series of a group have no holes");
  last_series_ = series;
  put_u8(roles_, static_cast<uint8_t>(static_cast<uint8_t>(role) | (same ? kSameSeries : 0)));
  put_zigzag(clocks_, static_cast<int64_t>(clock) - static_cast<int64_t>(last_clock_));
  last_clock_ = clock;
  put_varint(head_sizes_, column.head.size());
  put_varint(body_sizes_, column.body.size());
  heads_ += column.head;
  bodies_ += column.body;
}

std::string GroupBuilder::compress(const std::string& section, size_t least_gain_percent) const {
  std::string out(ZSTD_compressBound(section.size()), '\0');
  const size_t size = ZSTD_compressCCtx(compressor_->context, out.data(), out.size(),
                                        section.data(), section.size(), kCompressionLevel);
  if (ZSTD_isError(size) || size + section.size() * least_gain_percent / 100 >= section.size())
    return {};
  out.resize(size);
  return out;
}

Result<std::string> GroupBuilder::finish() {
  const size_t columns = roles_.size();
  const uint32_t series = series_count();
  std::string directory = std::move(roles_);
  directory += clocks_;
  directory += head_sizes_;
  directory += body_sizes_;
  directory += heads_;
  const std::string bodies = std::move(bodies_);
  if (directory.size() > kMaxSectionBytes || bodies.size() > kMaxSectionBytes)
    return Error(ErrorCode::ResourceExhausted, "column group is larger than 256 MiB");
  const std::string packed_directory = compress(directory, kDirectoryGainPercent);
  const std::string packed_bodies = compress(bodies, kBodiesGainPercent);
  const std::string& stored_directory = packed_directory.empty() ? directory : packed_directory;
  const std::string& stored_bodies = packed_bodies.empty() ? bodies : packed_bodies;

  std::string out;
  put_u8(out, kVersion);
  put_u8(out, static_cast<uint8_t>((packed_directory.empty() ? 0 : kDirectoryCompressed) |
                                   (packed_bodies.empty() ? 0 : kBodiesCompressed)));
  put_varint(out, first_series_);
  put_varint(out, series);
  put_varint(out, columns);
  put_varint(out, directory.size());
  put_varint(out, stored_directory.size());
  put_varint(out, bodies.size());
  put_varint(out, stored_bodies.size());
  out += stored_directory;
  out += stored_bodies;
  append_checksum(out, seed_);
  for (std::string* part : {&roles_, &clocks_, &head_sizes_, &body_sizes_, &heads_, &bodies_})
    part->clear();

  auto back = ColumnGroup::parse(out, seed_);
  if (!back) return std::move(back).error().with("column group does not read back");
  if (!(*back)->holds(directory, bodies))
    return Error(ErrorCode::Internal, "column group reads back different");
  return out;
}

Result<std::shared_ptr<const ColumnGroup>> ColumnGroup::parse(std::string_view bytes,
                                                              uint64_t seed) {
  Result<std::string_view> content = without_checksum(bytes, seed);
  if (!content) return std::move(content).error().with("column group");
  ByteReader in(*content);
  const uint8_t version = in.u8();
  if (version != kVersion) return corrupt(fmt::format("column group: unknown version {}", version));
  const uint8_t flags = in.u8();
  if ((flags & ~(kDirectoryCompressed | kBodiesCompressed)) != 0)
    return corrupt(fmt::format("column group: unknown flags {:#x}", flags));
  const uint64_t first = in.varint();
  const uint64_t series = in.varint();
  const uint64_t columns = in.varint();
  const uint64_t directory_size = in.varint();
  const uint64_t directory_stored = in.varint();
  const uint64_t bodies_size = in.varint();
  const uint64_t bodies_stored = in.varint();
  if (in.failed() || first + series > UINT32_MAX || first > UINT32_MAX)
    return corrupt("column group: bad head");

  auto group = std::make_shared<ColumnGroup>();
  group->first_series_ = static_cast<uint32_t>(first);
  auto directory =
      read_section(in, directory_size, directory_stored, (flags & kDirectoryCompressed) != 0);
  if (!directory) return std::move(directory).error();
  auto bodies = read_section(in, bodies_size, bodies_stored, (flags & kBodiesCompressed) != 0);
  if (!bodies) return std::move(bodies).error();
  if (!in.at_end()) return corrupt("column group: bytes left over");
  group->directory_ = std::move(*directory);
  group->bodies_ = std::move(*bodies);
  if (Status status = group->parse_directory(columns, series); !status)
    return std::move(status).error();
  return std::shared_ptr<const ColumnGroup>(std::move(group));
}

Status ColumnGroup::parse_directory(uint64_t columns, uint64_t series) {
  // Every column needs at least its role, clock and two sizes.
  if (series == 0 || columns < series || columns > directory_.size() / 4)
    return corrupt("column group: bad number of columns");
  ByteReader in(directory_);
  const std::string_view roles = in.bytes(columns);
  columns_.resize(columns);
  starts_.reserve(series + 1);
  for (size_t i = 0; i < columns; ++i) {
    const auto role = static_cast<uint8_t>(roles[i]);
    if ((role & ~(kSameSeries | 0xf)) != 0 ||
        (role & 0xf) > static_cast<uint8_t>(ColumnRole::StartTimestamps) ||
        static_cast<ColumnRole>(role & 0xf) == ColumnRole::Exemplars)
      return corrupt(fmt::format("column group: unknown column role {:#x}", role));
    if ((role & kSameSeries) == 0) starts_.push_back(static_cast<uint32_t>(i));
    columns_[i].role = static_cast<ColumnRole>(role & 0xf);
    const bool has_samples =
        (role & kSameSeries) != 0 && (columns_[i - 1].role == ColumnRole::Floats ||
                                      columns_[i - 1].role == ColumnRole::Histograms);
    if (columns_[i].role == ColumnRole::StartTimestamps && !has_samples)
      return corrupt("column group: start timestamps without samples");
  }
  if (starts_.size() != series || starts_[0] != 0)
    return corrupt("column group: bad number of series");
  starts_.push_back(static_cast<uint32_t>(columns));
  uint64_t clock = 0;
  for (GroupColumn& column : columns_) {
    clock += static_cast<uint64_t>(in.zigzag());
    if (clock > UINT32_MAX) return corrupt("column group: bad clock");
    column.clock = static_cast<uint32_t>(clock);
  }
  ByteReader body_sizes = in;
  for (size_t i = 0; i < columns; ++i) body_sizes.varint();
  ByteReader heads = body_sizes;
  for (size_t i = 0; i < columns; ++i) heads.varint();
  ByteReader bodies(bodies_);
  for (GroupColumn& column : columns_) {
    column.head = heads.bytes(in.varint());
    column.body = bodies.bytes(body_sizes.varint());
  }
  if (in.failed() || body_sizes.failed() || heads.failed() || bodies.failed() || !heads.at_end() ||
      !bodies.at_end())
    return corrupt("column group: sizes do not add up");
  return {};
}

std::span<const GroupColumn> ColumnGroup::columns(uint32_t series) const {
  if (series < first_series_ || series - first_series_ >= series_count()) return {};
  const uint32_t index = series - first_series_;
  return std::span(columns_).subspan(starts_[index], starts_[index + 1] - starts_[index]);
}

}  // namespace aerie::store
