#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_set>
#include <vector>

#include "base/guarded.h"

namespace aerie::ingest {

/// Which metadata is known to be stored. Remote-Write 2.0 repeats it with every series, and hardly
/// any of it is news. Holds hashes; when full it forgets everything, and what comes again is
/// stored once more. Thread-safe, lock rank 24.
class MetadataMemo {
 public:
  /// One answer per key.
  std::vector<bool> known(const std::vector<uint64_t>& keys) const;
  void remember(const std::vector<uint64_t>& keys);

 private:
  static constexpr size_t kMost = 1u << 18;
  Guarded<std::unordered_set<uint64_t>> keys_;
};

}  // namespace aerie::ingest
