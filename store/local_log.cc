#include "store/local_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/log.h"

namespace aerie::store {
namespace {

constexpr std::string_view kSuffix = ".seg";
constexpr uint64_t kSettledRoomBytes = 64 << 10;
constexpr std::string_view kSparePrefix = "spare-";
constexpr uint64_t kGrowth = 4;
// With SyncMode::Interval what is not synced is kept in memory, so that a failed sync can be made
// good.
constexpr size_t kMaxUnsyncedBytes = 16u << 20;

std::string segment_name(uint64_t sequence) { return fmt::format("{:016x}{}", sequence, kSuffix); }

std::optional<uint64_t> parse_segment_name(std::string_view name) {
  if (name.size() != 16 + kSuffix.size() || name.substr(16) != kSuffix) return std::nullopt;
  uint64_t sequence = 0;
  const auto [end, code] = std::from_chars(name.data(), name.data() + 16, sequence, 16);
  if (code != std::errc() || end != name.data() + 16) return std::nullopt;
  return sequence;
}

bool is_last_part(const LogFrame& frame) {
  return frame.type == RecordType::Checkpoint && !frame.payload.empty() && frame.payload[0] == 1;
}

/// A last segment without a valid header is the normal trace of a crash while it was made, unless
/// records inside prove that it was in use: then Corruption. `oldest`: what stands before it was
/// left by the file's former life.
Status records_behind_bad_header(const LogFile& file, LogPosition oldest) {
  auto size = file.size();
  if (!size) return std::move(size).error();
  if (*size < kSegmentHeaderBytes + kFrameHeaderBytes) return {};
  auto records = file.read_at(kSegmentHeaderBytes, *size - kSegmentHeaderBytes);
  if (!records) return std::move(records).error();
  LogPosition position = 0;
  std::memcpy(&position, records->data() + 8, sizeof(position));
  const auto first = read_frame(*records, position);
  if (!first || position <= oldest || !find_proof_of_damage(*records, position)) return {};
  return Error(ErrorCode::Corruption,
               fmt::format("header is damaged, records from position {} on are lost", position));
}

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

// ----------------------------------------------------------------------------------------------------------
// recovery

Status LocalLog::load_headers(std::map<uint64_t, std::string>& names) {
  auto listed = files_.list(options_.folder);
  if (!listed) return std::move(listed).error();
  Folder folder;
  for (const std::string& name : *listed) {
    if (auto sequence = parse_segment_name(name)) names.emplace(*sequence, name);
    // Spares of an earlier run are as good as new ones only if they are whole; making sure costs
    // more than a new one.
    if (name.compare(0, kSparePrefix.size(), kSparePrefix) == 0) {
      files_.remove(path(name)).ignore("a leftover spare wastes space, nothing else");
    }
  }
  for (const auto& [sequence, name] : names) {
    auto file = files_.open(path(name), false);
    if (!file) return std::move(file).error();
    auto bytes = (*file)->read_at(0, kSegmentHeaderBytes);
    if (!bytes) return std::move(bytes).error();
    auto header = decode_segment_header(*bytes);
    const bool usable = header.ok() && header->sequence == sequence;
    if (!usable) {
      if (!header && header.error().code() == ErrorCode::InvalidArgument)
        return std::move(header).error().with(name);
      // The last file may have been made (or renamed) by the write that the crash interrupted.
      if (sequence != names.rbegin()->first) {
        return Error(ErrorCode::Corruption,
                     fmt::format("{}: header is damaged, its records cannot be placed", name));
      }
      auto lost = records_behind_bad_header(
          **file, folder.segments.empty() ? options_.origin
                                          : folder.segments.rbegin()->second.header.start);
      if (!lost) return std::move(lost).error().with(name);
      next_sequence_ = sequence + 1;
      continue;
    }
    folder.segments[sequence].header = *header;
    next_sequence_ = sequence + 1;
  }
  folder_.with([&](Folder& mine) { mine = std::move(folder); });
  return {};
}

Result<std::string> LocalLog::read_segment(const Segment& segment, bool last) {
  auto file = files_.open(path(segment_name(segment.header.sequence)), false);
  if (!file) return std::move(file).error();
  // What is read here counts as acknowledged from now on, so it must not depend on the page cache.
  if (last) {
    if (auto synced = (*file)->sync(); !synced) return std::move(synced).error();
  }
  return (*file)->read_at(0, segment.header.file_bytes);
}

Status LocalLog::replay_segment(Segments& segments, uint64_t sequence, const Visit& visit) {
  const auto at = segments.find(sequence);
  const Segment& segment = at->second;
  const auto following = std::next(at);
  const auto end =
      following == segments.end() ? std::nullopt : std::optional(following->second.header.start);
  auto bytes = read_segment(segment, !end.has_value());
  if (!bytes) return std::move(bytes).error();
  const std::string name = segment_name(segment.header.sequence);
  LogPosition position = segment.header.start;
  std::string_view rest =
      std::string_view(*bytes).substr(std::min(bytes->size(), kSegmentHeaderBytes));
  if ((segment.header.flags & SegmentHeader::kCheckpoint) != 0)
    checkpoint_sequence_ = segment.header.sequence;
  while (!end || position < *end) {
    const auto frame = read_frame(rest, position);
    if (!frame) {
      if (end) {
        return Error(ErrorCode::Corruption,
                     fmt::format("{}: records from position {} to {} are damaged ({} bytes lost)",
                                 name, position, *end, *end - position));
      }
      if (const auto proof = find_proof_of_damage(rest, position)) {
        return Error(
            ErrorCode::Corruption,
            fmt::format(
                "{}: records from position {} on are damaged; acknowledged ones up to {} are lost "
                "({} bytes), readable again from {}",
                name, position, proof->durable, proof->durable - position, proof->position));
      }
      break;
    }
    if (frame->type != RecordType::Checkpoint) checkpoint_sequence_ = 0;
    if (auto visited = visit(*frame); !visited) {
      return std::move(visited).error().with(fmt::format("{} position {}", name, position));
    }
    if (checkpoint_sequence_ != 0 && is_last_part(*frame))
      segments[checkpoint_sequence_].complete_checkpoint = true;
    position += frame->bytes();
    rest.remove_prefix(frame->bytes());
  }
  durable_ = position;
  return {};
}

/// True if the row of segments from `at` on begins with a checkpoint that has its last part.
Result<bool> LocalLog::begins_complete(Segments::const_iterator at, Segments::const_iterator end) {
  if ((at->second.header.flags & SegmentHeader::kOrigin) != 0) return true;
  if ((at->second.header.flags & SegmentHeader::kCheckpoint) == 0) return false;
  LogPosition position = at->second.header.start;
  for (; at != end; ++at) {
    auto bytes = read_segment(at->second, false);
    if (!bytes) return std::move(bytes).error();
    std::string_view rest =
        std::string_view(*bytes).substr(std::min(bytes->size(), kSegmentHeaderBytes));
    while (const auto frame = read_frame(rest, position)) {
      if (frame->type != RecordType::Checkpoint) return false;
      if (is_last_part(*frame)) return true;
      position += frame->bytes();
      rest.remove_prefix(frame->bytes());
    }
    if (const auto following = std::next(at);
        following == end || following->second.header.start != position)
      return false;
  }
  return false;
}

/// Segments before the first possible beginning were left by an interrupted trim.
Status LocalLog::drop_leftovers(Segments& segments) {
  size_t leftovers = 0;
  auto begin = segments.cbegin();
  for (; begin != segments.cend(); ++begin, ++leftovers) {
    auto complete = begins_complete(begin, segments.cend());
    if (!complete) return std::move(complete).error();
    if (*complete) break;
  }
  if (begin == segments.cend() && !segments.empty()) {
    return Error(
        ErrorCode::Corruption,
        fmt::format("{} is not the beginning of a log: earlier files are missing or damaged",
                    segment_name(segments.begin()->first)));
  }
  for (; leftovers > 0; --leftovers) {
    const std::string name = segment_name(segments.begin()->first);
    files_.remove(path(name)).ignore("tried again at the next start");
    segments.erase(segments.begin());
  }
  return {};
}

Status LocalLog::recover(const Visit& visit) {
  std::map<uint64_t, std::string> names;
  if (auto loaded = load_headers(names); !loaded) return loaded;
  auto segments = folder_.with([](Folder& folder) { return folder.segments; });

  if (auto dropped = drop_leftovers(segments); !dropped) return dropped;
  durable_ = segments.empty() ? options_.origin : segments.begin()->second.header.start;
  for (auto it = segments.begin(); it != segments.end(); ++it) {
    if (it->second.header.start != durable_) {
      return Error(ErrorCode::Corruption,
                   fmt::format("{} begins at position {}, expected {}: a file is missing",
                               segment_name(it->first), it->second.header.start, durable_));
    }
    if (auto replayed = replay_segment(segments, it->first, visit); !replayed) return replayed;
  }
  checkpoint_sequence_ = 0;
  // Appending behind a torn tail could revive what lies beyond it: the log always goes on in a new
  // file. Files without any record are dropped; what they said about the log's beginning goes to
  // their successor.
  next_flags_ = segments.empty() ? SegmentHeader::kOrigin : 0;
  while (!segments.empty() && segments.rbegin()->second.header.start == durable_) {
    next_flags_ = segments.rbegin()->second.header.flags & SegmentHeader::kOrigin;
    files_.remove(path(segment_name(segments.rbegin()->first)))
        .ignore("an empty segment does no harm");
    segments.erase(std::prev(segments.end()));
  }
  // The file of an interrupted creation must go: once others follow it, it would look like damage.
  for (const auto& [sequence, name] : names) {
    const bool kept = segments.count(sequence) != 0;
    const bool behind = segments.empty() || sequence > segments.rbegin()->first;
    if (kept || !behind) continue;
    auto removed = files_.remove(path(name));
    if (!removed && removed.error().code() != ErrorCode::NotFound) return removed;
  }
  folder_.with([&](Folder& folder) { folder.segments = std::move(segments); });
  return {};
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
  if (!written) {
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
  if (auto synced = file_->sync(); !synced) return synced;
  last_sync_ns_ = clock_.monotonic_ns();
  if (options_.sync_seconds != nullptr) {
    options_.sync_seconds->observe(static_cast<double>(last_sync_ns_ - start) / 1e9);
  }
  durable_ += written_bytes_;
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
  if (auto written = (*file)->write_at(0, encode_segment_header(header)); !written) {
    files_.remove(path(name)).ignore("the failed write is what counts");
    return written;
  }
  if (auto synced = files_.sync_folder(options_.folder); !synced) return synced;
  file_ = std::move(*file);
  current_ = header;
  last_file_bytes_ = header.file_bytes;
  next_flags_ = 0;
  if (checkpoint_started_ && checkpoint_sequence_ == 0) checkpoint_sequence_ = header.sequence;
  folder_.with([&](Folder& folder) {
    folder.segments[header.sequence].header = header;
    folder.want_spare = header.file_bytes * kGrowth >= options_.segment_bytes;
  });
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
          {segment_name(it->first), it->second.header.file_bytes == options_.segment_bytes});
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
    if (recycle) folder_.with([&](Folder& folder) { folder.spares.push_back(spare_names[i]); });
  }
  return old.empty() ? Status() : files_.sync_folder(options_.folder);
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
  return file_->truncate(kept);
}

Status LocalLog::prepare_spare() {
  const auto name = folder_.with([](Folder& folder) -> std::optional<std::string> {
    if (!folder.want_spare || !folder.spares.empty()) return std::nullopt;
    return fmt::format("{}{}", kSparePrefix, folder.next_spare++);
  });
  if (!name) return {};
  if (auto file = make_file(*name, options_.segment_bytes); !file) return std::move(file).error();
  folder_.with([&](Folder& folder) {
    folder.spares.push_back(*name);
    folder.want_spare = false;
  });
  return {};
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
  return written;
}

}  // namespace aerie::store
