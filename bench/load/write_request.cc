#include "bench/load/write_request.h"

#include <cstring>
#include <utility>

namespace aerie::bench {
namespace {

void add_varint(std::string& bytes, uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  bytes += static_cast<char>(value);
}

// Value and time, with their field numbers.
std::string encode_sample(int64_t t, double value) {
  std::string sample(1, '\x09');
  char bits[8];
  std::memcpy(bits, &value, 8);
  sample.append(bits, 8);
  sample += '\x10';
  add_varint(sample, static_cast<uint64_t>(t));
  return sample;
}

}  // namespace

void add_label(std::string& records, std::string_view name, std::string_view value) {
  records += '\x0a';
  records += static_cast<char>(4 + name.size() + value.size());
  records += '\x0a';
  records += static_cast<char>(name.size());
  records += name;
  records += '\x12';
  records += static_cast<char>(value.size());
  records += value;
}

uint32_t Version2Request::number_of(std::string_view text) {
  if (symbols_.empty()) symbols_.assign("\x22\0", 2);  // number 0 is the empty string
  const auto [found, added] = numbers_.emplace(text, static_cast<uint32_t>(numbers_.size()) + 1);
  if (added) {
    symbols_ += '\x22';
    add_varint(symbols_, text.size());
    symbols_ += text;
  }
  return found->second;
}

void Version2Request::add_series(const std::string& label_records, int64_t t, double value) {
  std::string references;
  for (size_t at = 0; at < label_records.size();) {
    const std::string_view rest = std::string_view(label_records).substr(at);
    const auto name_size = static_cast<size_t>(rest[3]);
    const auto value_size = static_cast<size_t>(rest[5 + name_size]);
    add_varint(references, number_of(rest.substr(4, name_size)));
    add_varint(references, number_of(rest.substr(6 + name_size, value_size)));
    at += 6 + name_size + value_size;
  }
  const std::string sample = encode_sample(t, value);
  series_ += '\x2a';
  add_varint(series_, references.size() + sample.size() + 4);
  series_ += '\x0a';
  series_ += static_cast<char>(references.size());
  series_ += references;
  series_ += '\x12';
  series_ += static_cast<char>(sample.size());
  series_ += sample;
}

std::string Version2Request::take() {
  std::string request = std::move(symbols_);
  request += series_;
  symbols_.clear();
  series_.clear();
  numbers_.clear();
  return request;
}

void add_series(std::string& request, const std::string& label_records, int64_t t, double value) {
  const std::string sample = encode_sample(t, value);
  request += '\x0a';
  add_varint(request, label_records.size() + 2 + sample.size());
  request += label_records;
  request += '\x12';
  request += static_cast<char>(sample.size());
  request += sample;
}

}  // namespace aerie::bench
