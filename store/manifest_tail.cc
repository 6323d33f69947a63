#include "store/manifest_tail.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string_view>

#include "base/log.h"
#include "store/crc32c.h"

namespace aerie::store {
namespace {

constexpr size_t kBlockBytes = 32'768;
constexpr size_t kHeaderBytes = 7;  // masked CRC, length, type
constexpr uint8_t kFull = 1;
constexpr uint8_t kLast = 4;
constexpr uint32_t kMaskDelta = 0xa282ead8;

enum class Piece : uint8_t { Whole, Broken, CutOff };

uint32_t little_endian(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

/// The record at `position`; `end` is where it ends, `last` whether it ends a logical record.
Piece read_piece(std::string_view file, size_t position, size_t& end, bool& last) {
  if (file.size() - position < kHeaderBytes) return Piece::CutOff;
  const uint32_t masked = little_endian(file.substr(position, 4));
  const size_t length = little_endian(file.substr(position + 4, 2));
  const auto type = static_cast<uint8_t>(file[position + 6]);
  end = position + kHeaderBytes + length;
  last = type == kFull || type == kLast;
  if (type < kFull || type > kLast) return Piece::Broken;
  if (position % kBlockBytes + kHeaderBytes + length > kBlockBytes) return Piece::Broken;
  if (end > file.size()) return Piece::CutOff;
  const uint32_t rotated = masked - kMaskDelta;
  const uint32_t wanted = rotated >> 17 | rotated << 15;
  return crc32c(file.substr(position + 6, 1 + length)) == wanted ? Piece::Whole : Piece::Broken;
}

/// Where the file has to be cut; its size if it has not.
size_t sound_end(std::string_view file) {
  size_t position = 0;
  size_t sound = 0;
  while (position < file.size()) {
    const size_t left = kBlockBytes - position % kBlockBytes;
    if (left < kHeaderBytes) {
      position += left;
      continue;
    }
    size_t end = 0;
    bool last = false;
    const Piece piece = read_piece(file, position, end, last);
    if (piece == Piece::CutOff) return file.size();  // RocksDB expects that after a crash
    if (piece == Piece::Broken) break;
    position = end;
    if (last) sound = end;
  }
  if (position >= file.size()) return file.size();
  for (size_t at = position + 1; at < file.size(); ++at) {
    size_t end = 0;
    bool last = false;
    if (read_piece(file, at, end, last) == Piece::Whole) return file.size();
  }
  return sound;
}

}  // namespace

Status cut_torn_manifest_tail(const std::string& folder) {
  std::ifstream current(folder + "/CURRENT");
  std::string name;
  if (!std::getline(current, name) || !name.starts_with("MANIFEST-")) return {};
  const std::string path = folder + "/" + name;
  std::ifstream in(path, std::ios::binary);
  const std::string file{std::istreambuf_iterator<char>(in), {}};
  const size_t end = sound_end(file);
  if (end == file.size()) return {};
  const auto failed = [&] {
    return Error(ErrorCode::IoError, "cut " + path + ": " + std::strerror(errno));
  };
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) return failed();
  const bool cut =
      ::ftruncate(descriptor, static_cast<off_t>(end)) == 0 && ::fsync(descriptor) == 0;
  const Status status = cut ? Status() : Status(failed());
  ::close(descriptor);
  if (status)
    AERIE_LOG(Warn, "manifest cut behind its last whole record: a power cut tore what followed",
              {"file", path}, {"bytes", file.size() - end});
  return status;
}

}  // namespace aerie::store
