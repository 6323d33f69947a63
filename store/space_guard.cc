#include "store/space_guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace aerie::store {
namespace {

constexpr uint64_t kPartOfDisk = 20;
constexpr std::string_view kReserve = "/reserve";

}  // namespace

SpaceGuard::SpaceGuard(Options options, FileSystem& files, MetricRegistry& metrics)
    : options_(std::move(options)),
      files_(files),
      free_(metrics.gauge("aerie_store_disk_free_bytes", "Free space where the store is.")),
      reserve_(metrics.gauge("aerie_store_reserve_bytes",
                             "Size of the file that keeps room for opening and deleting; 0: given "
                             "away, the disk is full.")) {
  auto file = files_.open(options_.folder + std::string(kReserve), false);
  if (file) {
    auto size = (*file)->size();
    whole_ = size && *size >= options_.reserve_bytes;
  }
  tend();
}

uint64_t SpaceGuard::kept(const DiskSpace& space) const {
  return std::min(options_.keep_bytes, space.total_bytes / kPartOfDisk);
}

Status SpaceGuard::admit(uint64_t bytes) {
  auto space = files_.space(options_.folder);
  if (!space) return std::move(space).error();
  const uint64_t keep = kept(*space);
  const bool fits = space->free_bytes >= keep && space->free_bytes - keep >= bytes;
  pressed_.store(!fits, std::memory_order_relaxed);
  if (fits) return {};
  return Error(ErrorCode::Unavailable,
               fmt::format("disk is nearly full: {} bytes are free, {} are wanted and {} are kept "
                           "for sealing and deleting; free some or shorten the retention",
                           space->free_bytes, bytes, keep));
}

bool SpaceGuard::take() {
  const std::string path = options_.folder + std::string(kReserve);
  auto file = files_.open(path, true);
  if (!file) return false;
  if ((*file)->reserve(options_.reserve_bytes)) return true;
  files_.remove(path).ignore("an empty reserve does no harm");
  return false;
}

void SpaceGuard::tend() {
  auto space = files_.space(options_.folder);
  if (!space) return;
  const uint64_t free = space->free_bytes;
  if (whole_ && free < options_.reserve_bytes / 2) {
    AERIE_LOG(Warn, "the disk is full, giving the reserve away", {"folder", options_.folder});
    files_.remove(options_.folder + std::string(kReserve)).ignore("there is nothing to give");
    whole_ = false;
  } else if (!whole_ && free >= 4 * options_.reserve_bytes) {
    whole_ = take();
  }
  free_.set(static_cast<double>(free));
  reserve_.set(whole_ ? static_cast<double>(options_.reserve_bytes) : 0);
}

}  // namespace aerie::store
