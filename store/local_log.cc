#include "store/local_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "store/log_folder.h"

namespace aerie::store {
namespace {

constexpr uint64_t kSettledRoomBytes = 64 << 10;
constexpr uint64_t kGrowth = 4;
/// A spare is filled when so large a part of the segment is left: what is never used need not be
/// filled (docs/decisions/0111).
constexpr uint64_t kSpareParts = 8;
// With SyncMode::Interval what is not synced is kept in memory, so that a failed sync can be made
// good.
constexpr size_t kMaxUnsyncedBytes = 16u << 20;

Error unavailable(const Error& cause, std::string_view what) {
  return {ErrorCode::Unavailable, fmt::format("{}: {}", what, cause.message())};
}

}  // namespace

LocalLog::LocalLog(Options options, const Clock& clock, FileSystem& files)
    : options_(std::move(options)),
      clock_(clock),
      files_(files),
      last_sync_ns_(clock.monotonic_ns()) {}

LocalLog::~LocalLog() {
  close().ignore("a destructor has nobody to tell; close() was the place to ask");
}

Result<std::unique_ptr<LocalLog>> LocalLog::open(Options options, const Clock& clock,
                                                 FileSystem& files, const Visit& visit) {
  if (auto made = files.make_folders(options.folder); !made) return std::move(made).error();
  std::unique_ptr<LocalLog> log(
      new LocalLog(std::move(options), clock, files));  // NOLINT: private constructor
  if (auto recovered = log->recover(visit); !recovered) {
    log->closed_ = true;
    return std::move(recovered).error().with("replay log " + log->options_.folder);
  }
  return log;
}

// -----------------------------------------------------------------------------------------------------------
// writing

Result<LogPosition> LocalLog::add(RecordType type, std::string_view payload) {
  if (closed_) return Error(ErrorCode::Unavailable, "log is closed");
  if (payload.size() + kFrameHeaderBytes + kSegmentHeaderBytes > options_.segment_bytes) {
    return Error(ErrorCode::InvalidArgument,
                 fmt::format("record of {} bytes does not fit into a segment of {}", payload.size(),
                             options_.segment_bytes));
  }
  LogFrame frame;
  frame.position = durable_ + pending_.size();
  frame.durable = durable_;
  frame.type = type;
  frame.payload = payload;
  append_frame(pending_, frame);
  record_ends_.push_back(pending_.size());
  return frame.position;
}

Status LocalLog::commit() {
  if (closed_) return Error(ErrorCode::Unavailable, "log is closed");
  auto written = write_out(false);
  if (!written && file_) {
    AERIE_LOG(Error, "log segment poisoned, going on in a fresh one", {"folder", options_.folder},
              {"position", durable_}, {"error", written.error().message()});
    poison();
    written = write_out(false);
  }
  if (!written) {
    poison();
    pending_.resize(acked_bytes_);
    while (!record_ends_.empty() && record_ends_.back() > acked_bytes_) record_ends_.pop_back();
    return unavailable(written.error(), "log cannot be written");
  }
  acked_bytes_ = pending_.size();
  return {};
}

Status LocalLog::write_out(bool force_sync) {
  while (written_bytes_ < pending_.size()) {
    if (!file_) {
      if (auto opened = open_segment(durable_ + written_bytes_); !opened) return opened;
    }
    const uint64_t offset = kSegmentHeaderBytes + (durable_ + written_bytes_ - current_.start);
    const uint64_t room = current_.file_bytes - std::min(current_.file_bytes, offset);
    // As many whole records as fit.
    auto fits = std::upper_bound(record_ends_.begin(), record_ends_.end(), written_bytes_ + room);
    const size_t end = fits == record_ends_.begin() ? 0 : *std::prev(fits);
    if (end <= written_bytes_) {
      if (auto synced = sync_segment(); !synced) return synced;
      leave_segment();
      continue;
    }
    const std::string_view piece =
        std::string_view(pending_).substr(written_bytes_, end - written_bytes_);
    if (auto written = file_->write_at(offset, piece); !written) return written;
    written_bytes_ = end;
  }
  const int64_t since_ms = (clock_.monotonic_ns() - last_sync_ns_) / 1'000'000;
  const bool due = options_.sync == SyncMode::Always || pending_.size() > kMaxUnsyncedBytes ||
                   (options_.sync == SyncMode::Interval && since_ms >= options_.sync_interval);
  return force_sync || due ? sync_segment() : Status();
}

Status LocalLog::sync_segment() {
  if (!file_ || written_bytes_ == 0) return {};
  const int64_t start = clock_.monotonic_ns();
  reached(options_.on_step, "log-written");
  if (auto synced = file_->sync(); !synced) return synced;
  reached(options_.on_step, "log-synced");
  last_sync_ns_ = clock_.monotonic_ns();
  if (options_.sync_seconds != nullptr) {
    options_.sync_seconds->observe(static_cast<double>(last_sync_ns_ - start) / 1e9);
  }
  durable_ += written_bytes_;
  if (ask_for_spare_ &&
      durable_ - current_.start >= current_.file_bytes / kSpareParts * (kSpareParts - 1)) {
    ask_for_spare_ = false;
    folder_.with([](Folder& folder) { folder.want_spare = true; });
  }
  acked_bytes_ -= std::min(acked_bytes_, written_bytes_);
  const auto first_left =
      std::upper_bound(record_ends_.begin(), record_ends_.end(), written_bytes_);
  record_ends_.erase(record_ends_.begin(), first_left);
  for (size_t& end : record_ends_) end -= written_bytes_;
  pending_.erase(0, written_bytes_);
  written_bytes_ = 0;
  return {};
}

void LocalLog::poison() {
  // The kernel may have dropped the pages of a failed sync: what was not durable is written again,
  // elsewhere.
  written_bytes_ = 0;
  if (!file_) return;
  file_.reset();
  if (current_.start != durable_) return;
  next_flags_ |= current_.flags;  // nothing durable inside: its successor takes its place
  if (checkpoint_sequence_ == current_.sequence) checkpoint_sequence_ = 0;
  folder_.with([&](Folder& folder) { folder.segments.erase(current_.sequence); });
  files_.remove(path(segment_name(current_.sequence))).ignore("an empty segment does no harm");
}

void LocalLog::leave_segment() {
  file_.reset();
  next_flags_ = 0;
}

Result<std::unique_ptr<LogFile>> LocalLog::make_file(const std::string& name, uint64_t bytes) {
  if (options_.admit) {
    if (auto admitted = options_.admit(bytes); !admitted) return std::move(admitted).error();
  }
  auto file = files_.open(path(name), true);
  if (!file) return std::move(file).error();
  if (auto filled = (*file)->preallocate(bytes); !filled) {
    files_.remove(path(name)).ignore("the failure to fill it is what counts");
    return std::move(filled).error();
  }
  return file;
}

Status LocalLog::open_segment(LogPosition start) {
  SegmentHeader header;
  header.flags = next_flags_;
  header.sequence = next_sequence_++;
  header.start = start;
  const size_t first_record =
      record_ends_.empty()
          ? 0
          : *std::upper_bound(record_ends_.begin(), record_ends_.end(), written_bytes_) -
                written_bytes_;
  header.file_bytes = std::min(options_.segment_bytes,
                               std::max(options_.first_segment_bytes, last_file_bytes_ * kGrowth));
  header.file_bytes = std::max<uint64_t>(header.file_bytes, first_record + kSegmentHeaderBytes);

  const auto spare = folder_.with([](Folder& folder) -> std::optional<std::string> {
    if (folder.spares.empty()) return std::nullopt;
    std::string name = std::move(folder.spares.back());
    folder.spares.pop_back();
    return name;
  });
  const std::string name = segment_name(header.sequence);
  Result<std::unique_ptr<LogFile>> file = Error(ErrorCode::NotFound, "no spare");
  if (spare) {
    header.file_bytes = options_.segment_bytes;
    if (auto renamed = files_.rename(path(*spare), path(name)); !renamed) return renamed;
    file = files_.open(path(name), false);
  } else {
    file = make_file(name, header.file_bytes);
  }
  if (!file) return std::move(file).error();
  reached(options_.on_step, "log-file");
  if (auto written = (*file)->write_at(0, encode_segment_header(header)); !written) {
    files_.remove(path(name)).ignore("the failed write is what counts");
    return written;
  }
  reached(options_.on_step, "log-header");
  if (auto synced = files_.sync_folder(options_.folder); !synced) return synced;
  reached(options_.on_step, "log-open");
  file_ = std::move(*file);
  current_ = header;
  last_file_bytes_ = header.file_bytes;
  next_flags_ = 0;
  if (checkpoint_started_ && checkpoint_sequence_ == 0) checkpoint_sequence_ = header.sequence;
  folder_.with([&](Folder& folder) { folder.segments[header.sequence] = {header, false, true}; });
  ask_for_spare_ = header.file_bytes * kGrowth >= options_.segment_bytes;
  return {};
}

Status LocalLog::begin_checkpoint() {
  if (closed_) return Error(ErrorCode::Unavailable, "log is closed");
  if (auto written = write_out(true); !written) {
    poison();
    return unavailable(written.error(), "log cannot be written");
  }
  leave_segment();
  next_flags_ = SegmentHeader::kCheckpoint;
  checkpoint_started_ = true;
  checkpoint_sequence_ = 0;
  reached(options_.on_step, "log-rolled");
  return {};
}

void LocalLog::finish_checkpoint() {
  checkpoint_started_ = false;
  folder_.with([&](Folder& folder) {
    const auto segment = folder.segments.find(checkpoint_sequence_);
    if (segment != folder.segments.end()) segment->second.complete_checkpoint = true;
  });
}

// ----------------------------------------------------------------------------------------------------------
// trimming

Status LocalLog::trim(LogPosition unsealed) {
  struct Old {
    std::string name;
    bool full_size;
  };
  std::vector<Old> old;
  std::vector<std::string> spare_names;
  folder_.with([&](Folder& folder) {
    auto keep = folder.segments.begin();
    for (auto it = folder.segments.begin(); it != folder.segments.end(); ++it) {
      if (it->second.complete_checkpoint && it->second.header.start <= unsealed) keep = it;
    }
    for (auto it = folder.segments.begin(); it != keep; ++it) {
      old.push_back(
          {segment_name(it->first),
           it->second.ours_alone && it->second.header.file_bytes == options_.segment_bytes});
      spare_names.push_back(fmt::format("{}{}", kSparePrefix, folder.next_spare++));
    }
    folder.segments.erase(folder.segments.begin(), keep);
  });
  for (size_t i = 0; i < old.size();
       ++i) {  // oldest first: what is left is always a row without holes
    const bool recycle =
        old[i].full_size && folder_.with([](Folder& folder) { return folder.spares.size() < 2; });
    auto done = recycle ? files_.rename(path(old[i].name), path(spare_names[i]))
                        : files_.remove(path(old[i].name));
    if (!done) return done;
    reached(options_.on_step, "log-trim");
    if (recycle) folder_.with([&](Folder& folder) { folder.spares.push_back(spare_names[i]); });
  }
  return old.empty() ? Status() : files_.sync_folder(options_.folder);
}

Status LocalLog::link_before(LogPosition end, const std::string& folder) {
  const auto names = folder_.with([&](Folder& mine) {
    std::vector<std::string> out;
    for (auto& [sequence, segment] : mine.segments) {
      if (segment.header.start >= end) continue;
      segment.ours_alone = false;
      out.push_back(segment_name(sequence));
    }
    return out;
  });
  for (const std::string& name : names)
    if (auto linked = files_.link(path(name), folder + "/" + name); !linked) return linked;
  if (names.empty()) return {};
  return write_end_mark(files_, folder, end);
}

Status LocalLog::settle() {
  if (!pending_.empty()) return {};
  const auto spares = folder_.with([](Folder& folder) {
    folder.want_spare = false;
    return std::exchange(folder.spares, {});
  });
  for (const std::string& name : spares)
    if (auto removed = files_.remove(path(name)); !removed) return removed;
  if (!file_) return {};
  // Later records extend the file again, at the price of a metadata write each, until the next
  // segment.
  const uint64_t used = kSegmentHeaderBytes + (durable_ - current_.start);
  const uint64_t kept = std::min(current_.file_bytes, used + kSettledRoomBytes);
  // Known as short, so that it is not recycled as a whole segment. current_ keeps the room that the
  // file may grow to.
  folder_.with(
      [&](Folder& folder) { folder.segments[current_.sequence].header.file_bytes = kept; });
  auto truncated = file_->truncate(kept);
  reached(options_.on_step, "log-settled");
  return truncated;
}

Status LocalLog::prepare_spare() {
  const auto name = folder_.with([](Folder& folder) -> std::optional<std::string> {
    if (!folder.want_spare || !folder.spares.empty()) return std::nullopt;
    return fmt::format("{}{}", kSparePrefix, folder.next_spare++);
  });
  if (!name) return {};
  if (auto file = make_file(*name, options_.segment_bytes); !file) return std::move(file).error();
  reached(options_.on_step, "log-spare");
  folder_.with([&](Folder& folder) {
    folder.spares.push_back(*name);
    folder.want_spare = false;
  });
  return {};
}

LogPosition LocalLog::begin() const {
  return folder_.with([](const Folder& folder) {
    return folder.segments.empty() ? LogPosition{0} : folder.segments.begin()->second.header.start;
  });
}

uint64_t LocalLog::file_bytes() const {
  return folder_.with([](const Folder& folder) {
    uint64_t bytes = 0;
    for (const auto& [sequence, segment] : folder.segments) bytes += segment.header.file_bytes;
    return bytes;
  });
}

Status LocalLog::close() {
  if (std::exchange(closed_, true)) return {};
  auto written = write_out(true);
  if (!written) {
    poison();
    written = write_out(true);
  }
  file_.reset();
  const bool any = folder_.with([](const Folder& folder) { return !folder.segments.empty(); });
  if (written && any) {
    write_end_mark(files_, options_.folder, durable_)
        .ignore("without it a lost last file is taken for a torn tail, as after a crash");
  }
  return written;
}

}  // namespace aerie::store
