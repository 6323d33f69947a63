#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "base/result.h"
#include "ingest/standby_record.h"
#include "store/file_system.h"

namespace aerie::ingest {

/// Keeps what standbys send until their lead is known to have outlived it, so that a failover
/// leaves no gap. Bounded in bytes: when full, a sender's own oldest requests go first, and if
/// those do not make enough room the new request is not kept. In files that are written and not
/// synced: they outlive the process, and a crash of the machine loses only what the lead was
/// sending as well. Without a folder, in memory. Thread-safe, lock rank 23; the writes under it go
/// to the page cache.
class StandbyRing {
 public:
  struct Options {
    size_t limit_bytes = 64u << 20;
    std::string folder;               ///< created if missing; empty: in memory
    size_t segment_bytes = 4u << 20;  ///< a file of one sender; the unit in which old requests go
  };
  /// Finds what an earlier process left there. `files` outlives the ring. Errors: IoError. Broken
  /// records end their file and are logged.
  static Result<std::unique_ptr<StandbyRing>> open(Options options, store::FileSystem& files,
                                                   int64_t now_ms);
  /// Errors: IoError; the request is not kept then.
  Status keep(const StandbySender& sender, const KeptRequest& request, int64_t now_ms);
  struct Taken {
    std::vector<KeptRequest> requests;  ///< oldest first
    std::shared_ptr<void> files;  ///< they go with its last copy: keep one until all is stored
  };
  /// Everything still kept of a sender; nobody else gets it. The ring outlives what it returns.
  Taken take(const StandbySender& sender, int64_t now_ms);
  /// The same, and it stays kept. Reads the files under the lock: for what is rare.
  std::vector<KeptRequest> look(const StandbySender& sender, int64_t now_ms) const;
  /// Whose requests of a group are kept.
  std::vector<StandbySender> senders_of(std::string_view cluster, std::string_view group) const;
  bool holds(const StandbySender& sender) const;
  size_t bytes() const;
  /// Requests that had to go before their time.
  uint64_t dropped() const;

 private:
  struct Segment {
    std::string path;  // empty: in `memory`
    std::unique_ptr<store::LogFile> file;
    std::string memory;
    size_t size = 0;
    uint32_t requests = 0;
    int64_t until_ms = 0;  // the latest of its requests
  };
  struct Rings {
    std::map<StandbySender, std::deque<Segment>> of_sender;
    size_t bytes = 0;
    uint64_t dropped = 0;
    uint64_t next_file = 1;
  };
  StandbyRing(Options options, store::FileSystem& files)
      : options_(std::move(options)), files_(files) {}
  Status load(int64_t now_ms);
  void load_file(Rings& rings, const std::string& name, int64_t now_ms);
  Status begin_segment(Rings& rings, std::deque<Segment>& segments);
  static Status append(Segment& segment, const std::string& record);
  std::vector<KeptRequest> read(const Segment& segment) const;
  void discard(Segment& segment);
  void drop_oldest(Rings& rings, std::deque<Segment>& segments, bool before_its_time);

  const Options options_;
  store::FileSystem& files_;
  Guarded<Rings> rings_;
};

}  // namespace aerie::ingest
