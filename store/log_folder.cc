#include "store/log_folder.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>

#include "store/byte_io.h"
#include "store/crc32c.h"

namespace aerie::store {
namespace {

constexpr std::string_view kSuffix = ".seg";
constexpr std::string_view kEndMark = "end";
constexpr std::string_view kEndMagic = "AERIEEND";
constexpr size_t kEndBytes = 20;

}  // namespace

std::string segment_name(uint64_t sequence) { return fmt::format("{:016x}{}", sequence, kSuffix); }

std::optional<uint64_t> parse_segment_name(std::string_view name) {
  if (name.size() != 16 + kSuffix.size() || name.substr(16) != kSuffix) return std::nullopt;
  uint64_t sequence = 0;
  const auto [end, code] = std::from_chars(name.data(), name.data() + 16, sequence, 16);
  if (code != std::errc() || end != name.data() + 16) return std::nullopt;
  return sequence;
}

std::string LogLoss::text() const {
  std::string out = file.empty() ? std::string() : file + ": ";
  if (first == end) return out + fmt::format("records before position {} are missing", first);
  out += fmt::format("records from position {} to {} are {}: {} bytes", first, end,
                     file.empty() ? "missing" : "damaged", end - first);
  if (records == 0) return out + ", an unknown number of records lost";
  return out + fmt::format(", {} record{} lost", records, records == 1 ? "" : "s");
}

Status write_end_mark(FileSystem& files, const std::string& folder, LogPosition end) {
  std::string bytes(kEndMagic);
  put_fixed<uint64_t>(bytes, end);
  put_fixed<uint32_t>(bytes, crc32c(bytes));
  const std::string path = folder + "/" + std::string(kEndMark);
  const std::string fresh = path + ".new";
  auto file = files.open(fresh, true);
  if (!file) return std::move(file).error();
  if (auto written = (*file)->write_at(0, bytes); !written) return written;
  if (auto synced = (*file)->sync(); !synced) return synced;
  if (auto renamed = files.rename(fresh, path); !renamed) return renamed;
  return files.sync_folder(folder);
}

LogPosition read_end_mark(FileSystem& files, const std::string& folder) {
  auto file = files.open(folder + "/" + std::string(kEndMark), false);
  if (!file) return 0;
  auto bytes = (*file)->read_at(0, kEndBytes);
  if (!bytes || bytes->size() != kEndBytes || !bytes->starts_with(kEndMagic)) return 0;
  uint32_t crc = 0;
  std::memcpy(&crc, bytes->data() + 16, sizeof(crc));
  if (crc != crc32c(std::string_view(*bytes).substr(0, 16))) return 0;
  LogPosition end = 0;
  std::memcpy(&end, bytes->data() + 8, sizeof(end));
  return end;
}

}  // namespace aerie::store
