#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/metrics.h"
#include "store/file_system.h"
#include "store/ingest_log.h"
#include "store/log_folder.h"
#include "store/segment_window.h"
#include "store/store.h"

namespace aerie::store {

/// IngestLog in preallocated local files. docs/formats/log.md has the format, the failure rules and
/// the life of a segment.
class LocalLog final : public IngestLog {
 public:
  struct Options {
    std::string folder;
    SyncMode sync = SyncMode::Always;
    model::DurationMs sync_interval = 1000;
    uint64_t first_segment_bytes = 1u << 20;  ///< each new file is four times its predecessor …
    uint64_t segment_bytes = 64u << 20;       ///< … up to this
    LogPosition origin = 0;  ///< where a log without any segment begins; any other reaches to it
    Histogram* sync_seconds = nullptr;            ///< may be null
    std::function<Status(uint64_t bytes)> admit;  ///< asked before a file is made; may be empty
    /// Pass over what is damaged or missing instead of refusing to open; `lost` (may be empty) is
    /// called for each such stretch, between the records around it.
    bool skip_corrupt = false;
    /// `log-file`, `log-header`, `log-open`, `log-written`, `log-synced`, `log-rolled`, `log-trim`,
    /// `log-spare`, `log-settled`
    StepHook on_step;
    std::function<void(const LogLoss&)> lost;
  };
  /// Called for every record, in order. An error stops the replay and is returned by open().
  using Visit = std::function<Status(const LogFrame&)>;

  /// Opens or creates, replays. Cuts a torn tail. Errors: Corruption naming the positions that are
  /// lost, IoError, InvalidArgument (newer format). `clock` and `files` outlive the log.
  static Result<std::unique_ptr<LocalLog>> open(Options options, const Clock& clock,
                                                FileSystem& files, const Visit& visit);
  ~LocalLog() override;

  Result<LogPosition> add(RecordType type, std::string_view payload) override;
  Status commit() override;
  LogPosition committed_end() const override { return durable_ + acked_bytes_; }
  LogPosition begin() const override;
  LogPosition durable_end() const override { return durable_; }
  Status begin_checkpoint() override;
  void finish_checkpoint() override;
  Status trim(LogPosition unsealed) override;
  Status prepare_spare() override;
  Status settle() override;
  uint64_t buffered_bytes() const override { return pending_.capacity(); }
  uint64_t file_bytes() const override;
  Status close() override;
  /// Links the closed segments that begin before `end` into another folder, and says there how far
  /// they reach. They are not recycled any more. The thread that trims calls it, or nobody trims.
  Status link_before(LogPosition end, const std::string& folder);

 private:
  struct Segment {
    SegmentHeader header;
    bool complete_checkpoint = false;  // begins with a checkpoint whose last part is durable
    bool ours_alone = false;           // made by this run and never linked: may be recycled
  };
  using Segments = std::map<uint64_t, Segment>;
  struct Folder {
    Segments segments;                // by sequence, the current one included
    std::vector<std::string> spares;  // names of files of segment_bytes
    uint64_t next_spare = 0;
    bool want_spare = false;
  };

  LocalLog(Options options, const Clock& clock, FileSystem& files);
  Status recover(const Visit& visit);
  Status lose(LogLoss loss);
  Status load_headers(std::map<uint64_t, std::string>& names);
  Result<std::optional<SegmentHeader>> damaged_header(const LogFile& file, uint64_t sequence,
                                                      bool last, LogPosition oldest);
  Result<bool> begins_complete(Segments::const_iterator at, Segments::const_iterator end);
  Status drop_leftovers(Segments& segments);
  Status replay_segment(Segments& segments, uint64_t sequence, const Visit& visit);
  Status drop_empty(Segments segments, const std::map<uint64_t, std::string>& names);
  Result<SegmentWindow> open_window(const Segment& segment, bool last);

  Status write_out(bool force_sync);
  Status open_segment(LogPosition start);
  Result<std::unique_ptr<LogFile>> make_file(const std::string& name, uint64_t bytes);
  Status sync_segment();
  void poison();
  void leave_segment();
  std::string path(const std::string& name) const { return options_.folder + "/" + name; }

  const Options options_;
  const Clock& clock_;
  FileSystem& files_;
  Guarded<Folder> folder_;

  // Owned by the applier's thread from here on.
  std::unique_ptr<LogFile> file_;  // of the current segment; null: the next write opens one
  SegmentHeader current_;
  uint32_t next_flags_ = 0;     // for the next segment
  bool ask_for_spare_ = false;  // when the current segment is nearly full
  uint64_t next_sequence_ = 1;
  uint64_t last_file_bytes_ = 0;
  LogPosition durable_ = 0;          // everything before is synced
  std::string pending_;              // the records from durable_ on: kept until they are synced
  std::vector<size_t> record_ends_;  // offsets in pending_
  size_t acked_bytes_ =
      0;  // prefix of pending_ that earlier commits reported (not with SyncMode::Always)
  size_t written_bytes_ = 0;  // prefix of pending_ that is written to file_
  int64_t last_sync_ns_ = 0;
  uint64_t checkpoint_sequence_ = 0;  // segment that begin_checkpoint() opened; 0: none
  bool checkpoint_started_ = false;
  bool closed_ = false;
};

}  // namespace aerie::store
