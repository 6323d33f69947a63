#pragma once

#include <functional>
#include <string_view>

#include "base/result.h"
#include "store/log_frame.h"

namespace aerie::store {

/// The durable order of everything that was written to one shard: local files now (LocalLog),
/// objects later. Records are added, then committed together. add(), commit() and the checkpoint
/// calls belong to one thread (the applier); trim() and prepare_spare() may run on another thread
/// meanwhile.
class IngestLog {
 public:
  virtual ~IngestLog() = default;

  /// Buffers a record and returns the position that it will have. No I/O.
  /// Errors: InvalidArgument when the record is larger than a segment.
  virtual Result<LogPosition> add(RecordType type, std::string_view payload) = 0;
  /// Writes what was added; when it returns ok, it is durable (as far as the sync mode promises).
  /// Otherwise Unavailable: records before committed_end() are durable, those behind are forgotten
  /// and their positions will be used again.
  virtual Status commit() = 0;
  /// Everything before this position was committed.
  virtual LogPosition committed_end() const = 0;

  /// A replay would begin here.
  virtual LogPosition begin() const = 0;

  /// Everything before this position survives a power cut; behind committed_end() unless the sync
  /// mode is Always.
  virtual LogPosition durable_end() const = 0;

  /// The next record starts a new segment that says "begins with a complete checkpoint". Call with
  /// nothing buffered.
  virtual Status begin_checkpoint() = 0;
  /// All parts since begin_checkpoint() are committed: earlier segments may be trimmed from now on.
  virtual void finish_checkpoint() = 0;

  /// Forgets segments that nobody needs to replay samples at and after `unsealed`.
  virtual Status trim(LogPosition unsealed) = 0;
  /// Makes the next segment's file ahead of time, if it is missing. Slow (writes a whole segment).
  virtual Status prepare_spare() = 0;
  /// Gives reserved space back to the disk: for a log that holds little and is not expected to grow
  /// soon. Belongs to the applier's thread; nothing may be buffered.
  virtual Status settle() = 0;
  /// Memory for records that are not written or not synced yet. The applier's thread.
  virtual uint64_t buffered_bytes() const = 0;
  /// Bytes of the files in use, without spares.
  virtual uint64_t file_bytes() const = 0;
  /// Makes everything durable whatever the mode, and refuses further records.
  virtual Status close() = 0;
};

}  // namespace aerie::store
