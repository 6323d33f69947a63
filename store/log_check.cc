#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "store/check.h"
#include "store/log_folder.h"
#include "store/log_record.h"

namespace aerie::store {
namespace {

struct SegmentFile {
  std::string name;
  SegmentHeader header;
};

/// What a valid frame holds must be readable too.
Status check_payload(const LogFrame& frame) {
  switch (frame.type) {
    case RecordType::Batch: {
      LoggedBatch batch;
      return decode_batch(frame.payload, batch);
    }
    case RecordType::Checkpoint: {
      std::vector<SeriesSnapshot> series;
      return decode_checkpoint_part(frame.payload, series);
    }
    case RecordType::Arrivals: {
      std::vector<ClusterWatermark> clusters;
      return decode_arrivals(frame.payload, clusters);
    }
  }
  return Error(ErrorCode::InvalidArgument, "a record type of a newer aerie");
}

class LogChecker {
 public:
  LogChecker(FileSystem& files, std::string folder, LogPosition durable, CheckReport& report)
      : files_(files), folder_(std::move(folder)), durable_(durable), report_(report) {}

  Status run() {
    auto names = files_.list(folder_);
    if (!names) {
      if (names.error().code() == ErrorCode::NotFound) return {};
      return std::move(names).error();
    }
    for (const std::string& name : *names)
      if (parse_segment_name(name)) read_header(name);
    for (size_t i = 0; i < segments_.size(); ++i) {
      const bool last = i + 1 == segments_.size();
      check_segment(segments_[i],
                    last ? std::nullopt : std::optional(segments_[i + 1].header.start));
    }
    const LogPosition mark = read_end_mark(files_, folder_);
    if (!is_live() && !segments_.empty() && reached_ < mark)
      problem("end", fmt::format("the log reached position {} when it was closed, now only {}",
                                 mark, reached_));
    return {};
  }

 private:
  bool is_live() const { return durable_ != UINT64_MAX; }

  void problem(const std::string& name, const std::string& text) {
    report_.problems.push_back("log " + name + ": " + text);
  }

  Result<std::string> read(const std::string& name) {
    auto file = files_.open(folder_ + "/" + name, false);
    if (!file) return std::move(file).error();
    auto size = (*file)->size();
    if (!size) return std::move(size).error();
    return (*file)->read_at(0, *size);
  }

  void read_header(const std::string& name) {
    auto file = files_.open(folder_ + "/" + name, false);
    auto bytes = file ? (*file)->read_at(0, kSegmentHeaderBytes)
                      : Result<std::string>(std::move(file).error());
    if (!bytes) {
      if (!is_live()) problem(name, bytes.error().message());
      return;  // of a live log: trimmed meanwhile
    }
    auto header = decode_segment_header(*bytes);
    if (!header) {
      // The newest file of a live log may be in the making.
      if (!is_live()) problem(name, header.error().message());
      return;
    }
    segments_.push_back({name, *header});
  }

  void check_segment(const SegmentFile& segment, std::optional<LogPosition> end) {
    auto bytes = read(segment.name);
    if (!bytes) {
      if (!is_live()) problem(segment.name, bytes.error().message());
      return;
    }
    // A live log may have recycled the file since.
    const auto again =
        decode_segment_header(std::string_view(*bytes).substr(0, kSegmentHeaderBytes));
    if (is_live() && (!again || !(*again == segment.header))) return;
    ++report_.segments;
    std::string_view rest = std::string_view(*bytes).substr(kSegmentHeaderBytes);
    LogPosition position = segment.header.start;
    const LogPosition stop = std::min(end.value_or(UINT64_MAX), durable_);
    while (position < stop) {
      const auto frame = read_frame(rest, position);
      if (!frame) {
        const bool torn = !end && !is_live() && !find_proof_of_damage(rest, position);
        if (torn) break;
        const auto next = find_next_frame(rest, position);
        const LogPosition resume = next && next->position < stop ? next->position : stop;
        problem(segment.name, fmt::format("records from position {} to {} are damaged", position,
                                          resume == UINT64_MAX ? position : resume));
        if (!next || next->position >= stop) {
          position = stop == UINT64_MAX ? position : stop;
          break;
        }
        rest.remove_prefix(resume - position);
        position = resume;
        continue;
      }
      if (auto readable = check_payload(*frame); !readable)
        problem(segment.name, fmt::format("position {}: {}", position, readable.error().message()));
      ++report_.records;
      report_.log_bytes += frame->bytes();
      position += frame->bytes();
      rest.remove_prefix(frame->bytes());
    }
    reached_ = std::max(reached_, position);
  }

  FileSystem& files_;
  const std::string folder_;
  const LogPosition durable_;
  CheckReport& report_;
  std::vector<SegmentFile> segments_;
  LogPosition reached_ = 0;
};

}  // namespace

Status check_log(FileSystem& files, const std::string& folder, LogPosition durable,
                 CheckReport& report) {
  return LogChecker(files, folder, durable, report).run();
}

}  // namespace aerie::store
