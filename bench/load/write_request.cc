#include "bench/load/write_request.h"

#include <cstring>

namespace aerie::bench {
namespace {

void add_varint(std::string& bytes, uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  bytes += static_cast<char>(value);
}

}  // namespace

void add_series(std::string& request, const std::string& label_records, int64_t t, double value) {
  std::string time;
  add_varint(time, static_cast<uint64_t>(t));
  const size_t sample_size = 9 + 1 + time.size();
  request += '\x0a';
  add_varint(request, label_records.size() + 2 + sample_size);
  request += label_records;
  request += '\x12';
  request += static_cast<char>(sample_size);
  request += '\x09';
  char bits[8];
  std::memcpy(bits, &value, 8);
  request.append(bits, 8);
  request += '\x10';
  request += time;
}

}  // namespace aerie::bench
