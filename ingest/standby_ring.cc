#include "ingest/standby_ring.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/log.h"

namespace aerie::ingest {
namespace {

constexpr std::string_view kSuffix = ".ring";

}  // namespace

Result<std::unique_ptr<StandbyRing>> StandbyRing::open(Options options, store::FileSystem& files,
                                                       int64_t now_ms) {
  std::unique_ptr<StandbyRing> ring(new StandbyRing(std::move(options), files));
  if (ring->options_.folder.empty()) return ring;
  if (auto loaded = ring->load(now_ms); !loaded)
    return std::move(loaded).error().with("standby ring " + ring->options_.folder);
  return ring;
}

Status StandbyRing::load(int64_t now_ms) {
  if (auto made = files_.make_folders(options_.folder); !made) return made;
  const auto names = files_.list(options_.folder);  // sorted, so oldest first
  if (!names) return names.error();
  rings_.with([&](Rings& rings) {
    for (const std::string& name : *names) {
      if (name.ends_with(kSuffix)) load_file(rings, name, now_ms);
    }
  });
  return {};
}

void StandbyRing::load_file(Rings& rings, const std::string& name, int64_t now_ms) {
  Segment segment;
  segment.path = options_.folder + "/" + name;
  uint64_t number = 0;
  std::from_chars(name.data(), name.data() + name.size(), number, 16);
  rings.next_file = std::max(rings.next_file, number + 1);
  std::string content;
  if (auto file = files_.open(segment.path, false); file) {
    segment.file = std::move(*file);
    const auto size = segment.file->size();
    auto bytes = size ? segment.file->read_at(0, *size) : Result<std::string>(size.error());
    if (bytes) content = std::move(*bytes);
  }
  StandbySender sender;
  while (segment.size < content.size()) {
    auto record = decode_standby_record(content, segment.size);
    if (!record) {
      AERIE_LOG(Warn, "end of a standby ring's file is lost", {"file", segment.path},
                {"error", record.error().message()});
      break;
    }
    sender = std::move(record->sender);
    ++segment.requests;
    segment.until_ms = std::max(segment.until_ms, record->request.until_ms);
  }
  if (segment.requests == 0 || segment.until_ms < now_ms) {
    discard(segment);
    return;
  }
  rings.bytes += segment.size;
  rings.of_sender[sender].push_back(std::move(segment));
}

Status StandbyRing::keep(const StandbySender& sender, const KeptRequest& request, int64_t now_ms) {
  const std::string record = encode_standby_record(sender, request);
  return rings_.with([&](Rings& rings) -> Status {
    std::deque<Segment>& segments = rings.of_sender[sender];
    while (!segments.empty() && segments.front().until_ms < now_ms)
      drop_oldest(rings, segments, false);
    while (!segments.empty() && rings.bytes + record.size() > options_.limit_bytes)
      drop_oldest(rings, segments, true);
    if (rings.bytes + record.size() > options_.limit_bytes) {
      ++rings.dropped;
      return {};
    }
    if (segments.empty() || segments.back().size >= options_.segment_bytes) {
      if (auto begun = begin_segment(rings, segments); !begun) return begun;
    }
    Segment& last = segments.back();
    if (auto appended = append(last, record); !appended) return appended;
    rings.bytes += record.size();
    ++last.requests;
    last.until_ms = std::max(last.until_ms, request.until_ms);
    return {};
  });
}

Status StandbyRing::begin_segment(Rings& rings, std::deque<Segment>& segments) {
  Segment segment;
  if (!options_.folder.empty()) {
    segment.path = fmt::format("{}/{:016x}{}", options_.folder, rings.next_file++, kSuffix);
    auto file = files_.open(segment.path, true);
    if (!file) return std::move(file).error();
    segment.file = std::move(*file);
  }
  segments.push_back(std::move(segment));
  return {};
}

Status StandbyRing::append(Segment& segment, const std::string& record) {
  if (segment.file == nullptr) {
    segment.memory += record;
  } else if (auto written = segment.file->write_at(segment.size, record); !written) {
    return written;
  }
  segment.size += record.size();
  return {};
}

std::vector<KeptRequest> StandbyRing::read(const Segment& segment) const {
  std::vector<KeptRequest> requests;
  std::string content = segment.memory;
  if (segment.file != nullptr) {
    auto bytes = segment.file->read_at(0, segment.size);
    if (bytes) content = std::move(*bytes);
  }
  size_t offset = 0;
  while (offset < content.size()) {
    auto record = decode_standby_record(content, offset);
    if (!record) break;
    requests.push_back(std::move(record->request));
  }
  if (requests.size() != segment.requests) {
    AERIE_LOG(Error, "what a standby sent cannot be read back", {"file", segment.path},
              {"lost_requests", segment.requests - requests.size()});
  }
  return requests;
}

void StandbyRing::discard(Segment& segment) {
  if (segment.path.empty()) return;
  segment.file.reset();
  files_.remove(segment.path).ignore("found and judged again at the next start");
}

void StandbyRing::drop_oldest(Rings& rings, std::deque<Segment>& segments, bool before_its_time) {
  Segment& oldest = segments.front();
  if (before_its_time) rings.dropped += oldest.requests;
  rings.bytes -= oldest.size;
  discard(oldest);
  segments.pop_front();
}

StandbyRing::Taken StandbyRing::take(const StandbySender& sender, int64_t now_ms) {
  auto segments = std::make_unique<std::deque<Segment>>();
  rings_.with([&](Rings& rings) {
    const auto found = rings.of_sender.find(sender);
    if (found == rings.of_sender.end()) return;
    *segments = std::move(found->second);
    rings.of_sender.erase(found);
    for (const Segment& segment : *segments) rings.bytes -= segment.size;
  });
  Taken taken;
  for (const Segment& segment : *segments) {
    for (KeptRequest& request : read(segment)) {
      if (request.until_ms >= now_ms) taken.requests.push_back(std::move(request));
    }
  }
  taken.files =
      std::shared_ptr<std::deque<Segment>>(segments.release(), [this](std::deque<Segment>* done) {
        for (Segment& segment : *done) discard(segment);
        delete done;
      });
  return taken;
}

std::vector<KeptRequest> StandbyRing::look(const StandbySender& sender, int64_t now_ms) const {
  std::vector<KeptRequest> requests;
  rings_.with([&](const Rings& rings) {
    const auto found = rings.of_sender.find(sender);
    if (found == rings.of_sender.end()) return;
    for (const Segment& segment : found->second) {
      for (KeptRequest& request : read(segment)) {
        if (request.until_ms >= now_ms) requests.push_back(std::move(request));
      }
    }
  });
  return requests;
}

std::vector<StandbySender> StandbyRing::senders_of(std::string_view cluster,
                                                   std::string_view group) const {
  std::vector<StandbySender> senders;
  rings_.with([&](const Rings& rings) {
    for (const auto& [sender, segments] : rings.of_sender) {
      if (sender.cluster == cluster && sender.group == group && !segments.empty())
        senders.push_back(sender);
    }
  });
  return senders;
}

bool StandbyRing::holds(const StandbySender& sender) const {
  return rings_.with([&](const Rings& rings) {
    const auto found = rings.of_sender.find(sender);
    return found != rings.of_sender.end() && !found->second.empty();
  });
}

size_t StandbyRing::bytes() const {
  return rings_.with([](const Rings& rings) { return rings.bytes; });
}

uint64_t StandbyRing::dropped() const {
  return rings_.with([](const Rings& rings) { return rings.dropped; });
}

}  // namespace aerie::ingest
