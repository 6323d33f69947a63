#pragma once

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "model/time.h"

namespace aerie::store {

/// A partition that cannot be read and is left out of answers.
struct DamagedPartition {
  std::string name;         ///< `partition shard=0 tier=0 start=… generation=1`
  model::TimeRange covers;  ///< what it may hold
  std::string reason;
};

/// Whether something was found to be damaged, and what was said first. Thread-safe.
class Damage {
 public:
  /// True for the first report.
  bool report(const std::string& reason) {
    const bool first = reason_.with([&](std::string& text) {
      if (!text.empty()) return false;
      text = reason;
      return true;
    });
    found_.store(true, std::memory_order_release);
    return first;
  }
  bool found() const { return found_.load(std::memory_order_acquire); }
  std::string reason() const { return reason_.copy(); }

 private:
  std::atomic<bool> found_{false};
  Guarded<std::string> reason_;
};

/// What a query says about them: one line each, for those that may hold samples of `range`.
std::vector<std::string> damage_warnings(const std::vector<DamagedPartition>& damaged,
                                         model::TimeRange range);

}  // namespace aerie::store
