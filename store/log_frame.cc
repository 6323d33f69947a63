#include "store/log_frame.h"

#include <cstring>
#include <limits>

#include "store/byte_io.h"
#include "store/crc32c.h"

namespace aerie::store {
namespace {

constexpr std::string_view kMagic = "AERIELOG";

template <class T>
T load(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

/// Records are not aligned: every offset that holds its own position is a candidate, and the
/// checksum decides.
template <class Wanted>
std::optional<LogFrame> find_frame(std::string_view bytes, LogPosition position, Wanted&& wanted) {
  for (size_t at = 1; at + kFrameHeaderBytes <= bytes.size(); ++at) {
    if (load<uint64_t>(bytes.data() + at + 8) != position + at) continue;
    auto frame = read_frame(bytes.substr(at), position + at);
    if (frame && wanted(*frame)) return frame;
  }
  return std::nullopt;
}

}  // namespace

void append_frame(std::string& out, const LogFrame& frame) {
  const size_t at = out.size();
  out.reserve(at + frame.bytes());
  const uint64_t behind = frame.position - frame.durable;
  const uint64_t most = std::numeric_limits<uint32_t>::max();
  put_fixed<uint32_t>(out, 0);
  put_fixed<uint32_t>(out, static_cast<uint32_t>(frame.payload.size()));
  put_fixed<uint64_t>(out, frame.position);
  put_fixed<uint32_t>(out, static_cast<uint32_t>(behind < most ? behind : most));
  put_fixed<uint8_t>(out, static_cast<uint8_t>(frame.type));
  put_fixed<uint8_t>(out, 0);
  put_fixed<uint16_t>(out, frame.shard);
  out.append(frame.payload);
  const uint32_t crc = crc32c(std::string_view(out).substr(at + 4));
  std::memcpy(out.data() + at, &crc, sizeof(crc));
}

std::optional<LogFrame> read_frame(std::string_view bytes, LogPosition position) {
  if (bytes.size() < kFrameHeaderBytes) return std::nullopt;
  const char* at = bytes.data();
  const auto length = load<uint32_t>(at + 4);
  if (load<uint64_t>(at + 8) != position || length > bytes.size() - kFrameHeaderBytes)
    return std::nullopt;
  const auto behind = load<uint32_t>(at + 16);
  if (behind > position) return std::nullopt;
  const std::string_view whole = bytes.substr(0, kFrameHeaderBytes + length);
  if (load<uint32_t>(at) != crc32c(whole.substr(4))) return std::nullopt;
  LogFrame frame;
  frame.position = position;
  frame.durable = position - behind;
  frame.type = static_cast<RecordType>(load<uint8_t>(at + 20));
  frame.shard = load<uint16_t>(at + 22);
  frame.payload = whole.substr(kFrameHeaderBytes);
  return frame;
}

std::optional<LogFrame> find_proof_of_damage(std::string_view bytes, LogPosition position) {
  return find_frame(bytes, position,
                    [=](const LogFrame& frame) { return frame.durable > position; });
}

std::optional<LogFrame> find_next_frame(std::string_view bytes, LogPosition position) {
  return find_frame(bytes, position, [](const LogFrame&) { return true; });
}

std::string encode_segment_header(const SegmentHeader& header) {
  std::string out(kMagic);
  put_fixed<uint32_t>(out, kLogFormatVersion);
  put_fixed<uint32_t>(out, header.flags);
  put_fixed<uint64_t>(out, header.sequence);
  put_fixed<uint64_t>(out, header.start);
  put_fixed<uint64_t>(out, header.file_bytes);
  out.append(kSegmentHeaderBytes - 4 - out.size(), '\0');
  put_fixed<uint32_t>(out, crc32c(out));
  return out;
}

Result<SegmentHeader> decode_segment_header(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes || bytes.substr(0, kMagic.size()) != kMagic) {
    return Error(ErrorCode::Corruption, "not a log segment");
  }
  const char* at = bytes.data();
  const auto want = load<uint32_t>(at + kSegmentHeaderBytes - 4);
  const uint32_t got = crc32c(bytes.substr(0, kSegmentHeaderBytes - 4));
  if (want != got) {
    return Error(ErrorCode::Corruption, "segment header: checksum mismatch: want=" +
                                            std::to_string(want) + " got=" + std::to_string(got));
  }
  const auto version = load<uint32_t>(at + 8);
  if (version > kLogFormatVersion) {
    return Error(ErrorCode::InvalidArgument, "log format version " + std::to_string(version) +
                                                 " was written by a newer aerie; this one reads " +
                                                 std::to_string(kLogFormatVersion));
  }
  SegmentHeader header;
  header.flags = load<uint32_t>(at + 12);
  header.sequence = load<uint64_t>(at + 16);
  header.start = load<uint64_t>(at + 24);
  header.file_bytes = load<uint64_t>(at + 32);
  return header;
}

}  // namespace aerie::store
