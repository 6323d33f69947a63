#include "store/segment_window.h"

#include <algorithm>
#include <cstring>

namespace aerie::store {
namespace {

constexpr size_t kWindowBytes = 4u << 20;

/// What a record header at the start of `bytes` says.
struct Claim {
  uint64_t record_bytes;
  LogPosition position;
};

Claim claim_of(const char* bytes) {
  uint32_t length = 0;
  LogPosition position = 0;
  std::memcpy(&length, bytes + 4, sizeof(length));
  std::memcpy(&position, bytes + 8, sizeof(position));
  return {kFrameHeaderBytes + uint64_t{length}, position};
}

}  // namespace

Result<SegmentWindow> SegmentWindow::open(std::unique_ptr<LogFile> file, LogPosition start) {
  auto size = file->size();
  if (!size) return std::move(size).error();
  return SegmentWindow(std::move(file), *size, start);
}

uint64_t SegmentWindow::offset_of(LogPosition position) const {
  return std::min<uint64_t>(size_, kSegmentHeaderBytes + (position - start_));
}

Result<std::string_view> SegmentWindow::load(size_t bytes) {
  const uint64_t offset = offset_of(position_);
  const auto there = [&] {
    const uint64_t end = loaded_offset_ + loaded_.size();
    return offset >= loaded_offset_ && offset <= end ? end - offset : 0;
  };
  if (there() < std::min<uint64_t>(bytes, size_ - offset)) {
    auto read = file_->read_at(offset, std::max(bytes, kWindowBytes));
    if (!read) return std::move(read).error();
    loaded_ = std::move(*read);
    loaded_offset_ = offset;
  }
  return std::string_view(loaded_).substr(loaded_.size() - there());
}

Result<std::optional<LogFrame>> SegmentWindow::frame() {
  auto bytes = load(kFrameHeaderBytes);
  if (!bytes) return std::move(bytes).error();
  if (bytes->size() < kFrameHeaderBytes) return std::optional<LogFrame>();
  const Claim claim = claim_of(bytes->data());
  const uint64_t left = size_ - offset_of(position_);
  if (claim.position != position_ || claim.record_bytes > left) return std::optional<LogFrame>();
  bytes = load(claim.record_bytes);
  if (!bytes) return std::move(bytes).error();
  return read_frame(*bytes, position_);
}

void SegmentWindow::skip_to(LogPosition position) { position_ = std::max(position_, position); }

Result<bool> SegmentWindow::proves_damage() const {
  // Records are not aligned: every offset that holds its own position is a candidate.
  for (uint64_t offset = offset_of(position_) + 1; offset + kFrameHeaderBytes <= size_;) {
    auto piece = file_->read_at(offset, kWindowBytes);
    if (!piece) return std::move(piece).error();
    if (piece->size() < kFrameHeaderBytes) return false;
    const size_t candidates = piece->size() - kFrameHeaderBytes + 1;
    for (size_t at = 0; at < candidates; ++at) {
      const LogPosition own = start_ + (offset + at - kSegmentHeaderBytes);
      const Claim claim = claim_of(piece->data() + at);
      if (claim.position != own || claim.record_bytes > size_ - offset - at) continue;
      auto record = file_->read_at(offset + at, claim.record_bytes);
      if (!record) return std::move(record).error();
      const auto frame = read_frame(*record, own);
      if (frame && frame->durable > position_) return true;
    }
    offset += candidates;
  }
  return false;
}

Result<std::string> SegmentWindow::rest() const {
  const uint64_t offset = offset_of(position_);
  return file_->read_at(offset, size_ - offset);
}

}  // namespace aerie::store
