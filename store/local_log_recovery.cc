#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "store/local_log.h"
#include "store/log_folder.h"

// Reading a log back: what LocalLog::open() does before the first record is added.

namespace aerie::store {
namespace {

bool is_last_part(const LogFrame& frame) {
  return frame.type == RecordType::Checkpoint && !frame.payload.empty() && frame.payload[0] == 1;
}

/// The position that the first record of a segment claims for itself, if the record is whole.
std::optional<LogFrame> first_record(std::string_view records) {
  if (records.size() < kFrameHeaderBytes) return std::nullopt;
  LogPosition position = 0;
  std::memcpy(&position, records.data() + 8, sizeof(position));
  return read_frame(records, position);
}

/// A segment whose header is damaged, as far as its first record tells where it belongs.
std::optional<SegmentHeader> rebuild_header(const std::string& bytes, uint64_t sequence) {
  if (bytes.size() <= kSegmentHeaderBytes) return std::nullopt;
  const auto first = first_record(std::string_view(bytes).substr(kSegmentHeaderBytes));
  if (!first) return std::nullopt;
  SegmentHeader header;
  header.flags = first->type == RecordType::Checkpoint ? SegmentHeader::kCheckpoint : 0;
  header.sequence = sequence;
  header.start = first->position;
  header.file_bytes = bytes.size();
  return header;
}

/// A last segment without a valid header is the normal trace of a crash while it was made, unless
/// records inside prove that it was in use. `oldest`: what stands before it was left by the file's
/// former life.
bool was_in_use(const std::string& bytes, LogPosition oldest) {
  if (bytes.size() <= kSegmentHeaderBytes) return false;
  const std::string_view records = std::string_view(bytes).substr(kSegmentHeaderBytes);
  const auto first = first_record(records);
  return first && first->position > oldest && find_proof_of_damage(records, first->position);
}

/// Where reading can go on behind a damaged record.
struct Damage {
  LogPosition resume = 0;
  uint64_t records = 0;  // lost, as far as their lengths can be read; 0: not known
};

uint64_t count_records(std::string_view bytes, LogPosition position, LogPosition resume) {
  uint64_t records = 0;
  while (position < resume) {
    uint32_t length = 0;
    LogPosition own = 0;
    if (bytes.size() < kFrameHeaderBytes) return 0;
    std::memcpy(&length, bytes.data() + 4, sizeof(length));
    std::memcpy(&own, bytes.data() + 8, sizeof(own));
    const uint64_t size = kFrameHeaderBytes + uint64_t{length};
    if (own != position || size > bytes.size() || position + size > resume) return 0;
    ++records;
    position += size;
    bytes.remove_prefix(size);
  }
  return records;
}

/// `end`: where the next segment begins; none: this is the last one, which may be torn.
std::optional<Damage> find_damage(std::string_view bytes, LogPosition position,
                                  std::optional<LogPosition> end) {
  if (!end && !find_proof_of_damage(bytes, position)) return std::nullopt;
  Damage damage;
  const auto next = find_next_frame(bytes, position);
  damage.resume = next && (!end || next->position < *end) ? next->position : end.value_or(position);
  damage.records = count_records(bytes, position, damage.resume);
  return damage;
}

/// What lies behind a record that cannot be read; nothing if the log ends there.
Result<std::optional<Damage>> look_behind(const SegmentWindow& window,
                                          std::optional<LogPosition> end) {
  if (!end) {
    auto proof = window.proves_damage();
    if (!proof) return std::move(proof).error();
    if (!*proof) return std::optional<Damage>();
  }
  auto rest = window.rest();
  if (!rest) return std::move(rest).error();
  return find_damage(*rest, window.position(), end);
}

}  // namespace

/// Passes over a stretch if that is wanted; else the error that says what would be lost.
Status LocalLog::lose(LogLoss loss) {
  if (!options_.skip_corrupt) {
    return Error(ErrorCode::Corruption,
                 loss.text() +
                     "; put the file back, or start once with --storage.skip-corrupt-log to go on "
                     "without them");
  }
  AERIE_LOG(Error, "passing over a damaged part of the log", {"folder", options_.folder},
            {"lost", loss.text()});
  if (options_.lost) options_.lost(loss);
  return {};
}

Status LocalLog::load_headers(std::map<uint64_t, std::string>& names) {
  auto listed = files_.list(options_.folder);
  if (!listed) return std::move(listed).error();
  Folder folder;
  for (const std::string& name : *listed) {
    if (auto sequence = parse_segment_name(name)) names.emplace(*sequence, name);
    // Spares of an earlier run are as good as new ones only if they are whole; making sure costs
    // more than a new one.
    if (name.starts_with(kSparePrefix)) {
      files_.remove(path(name)).ignore("a leftover spare wastes space, nothing else");
    }
  }
  for (const auto& [sequence, name] : names) {
    next_sequence_ = sequence + 1;
    auto file = files_.open(path(name), false);
    if (!file) return std::move(file).error();
    auto bytes = (*file)->read_at(0, kSegmentHeaderBytes);
    if (!bytes) return std::move(bytes).error();
    auto header = decode_segment_header(*bytes);
    if (header.ok() && header->sequence == sequence) {
      folder.segments[sequence].header = *header;
      continue;
    }
    if (!header && header.error().code() == ErrorCode::InvalidArgument)
      return std::move(header).error().with(name);
    const bool last = sequence == names.rbegin()->first;
    const LogPosition oldest =
        folder.segments.empty() ? options_.origin : folder.segments.rbegin()->second.header.start;
    auto rebuilt = damaged_header(**file, sequence, last, oldest);
    if (!rebuilt) return std::move(rebuilt).error().with(name);
    if (*rebuilt) folder.segments[sequence].header = **rebuilt;
  }
  folder_.with([&](Folder& mine) { mine = std::move(folder); });
  return {};
}

/// What to make of a segment without a valid header: nothing if it never held a record.
Result<std::optional<SegmentHeader>> LocalLog::damaged_header(const LogFile& file,
                                                              uint64_t sequence, bool last,
                                                              LogPosition oldest) {
  auto size = file.size();
  if (!size) return std::move(size).error();
  auto bytes = file.read_at(0, *size);
  if (!bytes) return std::move(bytes).error();
  // The last file may have been made (or renamed) by the write that the crash interrupted.
  if (last && !was_in_use(*bytes, oldest)) return std::optional<SegmentHeader>();
  auto rebuilt = rebuild_header(*bytes, sequence);
  if (options_.skip_corrupt) {
    AERIE_LOG(Error, "the header of a log segment is damaged", {"folder", options_.folder},
              {"file", segment_name(sequence)}, {"rebuilt", rebuilt.has_value()});
    if (rebuilt && options_.lost)
      options_.lost({segment_name(sequence), rebuilt->start, rebuilt->start, 0, false});
    return rebuilt;
  }
  const std::string what =
      rebuilt
          ? fmt::format("header is damaged, records from position {} on are lost", rebuilt->start)
          : "header is damaged, its records cannot be placed";
  return Error(ErrorCode::Corruption,
               what +
                   "; put the file back, or start once with --storage.skip-corrupt-log to go on "
                   "with what can be read");
}

Result<SegmentWindow> LocalLog::open_window(const Segment& segment, bool last) {
  auto file = files_.open(path(segment_name(segment.header.sequence)), false);
  if (!file) return std::move(file).error();
  // What is read here counts as acknowledged from now on, so it must not depend on the page cache.
  if (last) {
    if (auto synced = (*file)->sync(); !synced) return std::move(synced).error();
  }
  return SegmentWindow::open(std::move(*file), segment.header.start);
}

Status LocalLog::replay_segment(Segments& segments, uint64_t sequence, const Visit& visit) {
  const auto at = segments.find(sequence);
  const Segment& segment = at->second;
  const auto following = std::next(at);
  const auto end =
      following == segments.end() ? std::nullopt : std::optional(following->second.header.start);
  auto window = open_window(segment, !end.has_value());
  if (!window) return std::move(window).error();
  const std::string name = segment_name(segment.header.sequence);
  const bool checkpoint = (segment.header.flags & SegmentHeader::kCheckpoint) != 0;
  const bool gap_behind = following != segments.end() && following->first != sequence + 1;
  if (checkpoint) checkpoint_sequence_ = segment.header.sequence;
  while (!end || window->position() < *end) {
    const LogPosition position = window->position();
    const auto frame = window->frame();
    if (!frame) return frame.error();
    if (!*frame) {
      const auto damage = look_behind(*window, end);
      if (!damage) return damage.error();
      if (!*damage) break;
      auto passed =
          lose({name, position, (*damage)->resume, (*damage)->records, checkpoint || gap_behind});
      if (!passed) return passed;
      checkpoint_sequence_ = 0;  // no longer complete
      window->skip_to((*damage)->resume);
      continue;
    }
    if ((*frame)->type != RecordType::Checkpoint) checkpoint_sequence_ = 0;
    if (auto visited = visit(**frame); !visited) {
      return std::move(visited).error().with(fmt::format("{} position {}", name, position));
    }
    if (checkpoint_sequence_ != 0 && is_last_part(**frame))
      segments[checkpoint_sequence_].complete_checkpoint = true;
    window->skip_to(position + (*frame)->bytes());
  }
  durable_ = window->position();
  return {};
}

/// True if the row of segments from `at` on begins with a checkpoint that has its last part.
Result<bool> LocalLog::begins_complete(Segments::const_iterator at, Segments::const_iterator end) {
  if ((at->second.header.flags & SegmentHeader::kOrigin) != 0) return true;
  if ((at->second.header.flags & SegmentHeader::kCheckpoint) == 0) return false;
  for (LogPosition position = at->second.header.start; at != end; ++at) {
    auto window = open_window(at->second, false);
    if (!window) return std::move(window).error();
    while (true) {
      const auto frame = window->frame();
      if (!frame) return frame.error();
      if (!*frame) break;
      if ((*frame)->type != RecordType::Checkpoint) return false;
      if (is_last_part(**frame)) return true;
      position += (*frame)->bytes();
      window->skip_to(position);
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
    const SegmentHeader& first = segments.begin()->second.header;
    return lose({segment_name(first.sequence), first.start, first.start, 0, true});
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
    const LogPosition start = it->second.header.start;
    if (start < durable_) {
      return Error(ErrorCode::Corruption,
                   fmt::format("{} begins at position {}, but the one before reaches to {}",
                               segment_name(it->first), start, durable_));
    }
    if (start > durable_) {
      if (auto passed = lose({{}, durable_, start, 0, true}); !passed) return passed;
      durable_ = start;
    }
    if (auto replayed = replay_segment(segments, it->first, visit); !replayed) return replayed;
  }
  checkpoint_sequence_ = 0;
  const LogPosition least = std::max(options_.origin, read_end_mark(files_, options_.folder));
  if (durable_ < least) {
    if (auto passed = lose({{}, durable_, least, 0, true}); !passed) return passed;
    durable_ = least;
  }
  return drop_empty(std::move(segments), names);
}

/// Appending behind a torn tail could revive what lies beyond it: the log always goes on in a new
/// file. Files without any record are dropped; what they said about the log's beginning goes to
/// their successor.
Status LocalLog::drop_empty(Segments segments, const std::map<uint64_t, std::string>& names) {
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
    if (kept || (!behind && !options_.skip_corrupt)) continue;
    auto removed =
        behind ? files_.remove(path(name)) : files_.rename(path(name), path("damaged-" + name));
    if (!removed && removed.error().code() != ErrorCode::NotFound) return removed;
  }
  folder_.with([&](Folder& folder) { folder.segments = std::move(segments); });
  return {};
}

}  // namespace aerie::store
