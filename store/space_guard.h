#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/metrics.h"
#include "store/file_system.h"

namespace aerie::store {

/// Who may still write when the disk is nearly full. Writers stop while some of it is free, so that
/// sealing, merging and retention go on; a small file holds what opening and deleting need when
/// somebody else has taken even that. Thread-safe. docs/faults.md.
class SpaceGuard {
 public:
  struct Options {
    std::string folder;
    uint64_t keep_bytes = 256u << 20;  ///< not for writers; at most a twentieth of the disk
    uint64_t reserve_bytes = 1u << 20;
  };
  /// Takes the reserve if there is room, and gives it away if the disk is full. `files` and
  /// `metrics` outlive the guard.
  SpaceGuard(Options options, FileSystem& files, MetricRegistry& metrics);

  /// Before `bytes` more are written for a sender. Unavailable says what is free and what is kept.
  Status admit(uint64_t bytes);
  /// Now and then, from one thread: takes the reserve back when there is room, gives it away when
  /// there is none.
  void tend();
  /// True while writers are refused for want of space.
  bool pressed() const { return pressed_.load(std::memory_order_relaxed); }

 private:
  uint64_t kept(const DiskSpace& space) const;
  bool take();

  const Options options_;
  FileSystem& files_;
  Gauge& free_;
  Gauge& reserve_;
  bool whole_ = false;  // the reserve is on the disk; of the thread that tends
  std::atomic<bool> pressed_{false};
};

}  // namespace aerie::store
