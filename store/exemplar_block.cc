#include "store/exemplar_block.h"

#include <algorithm>
#include <bit>
#include <utility>

#include <zstd.h>

#include "base/check.h"
#include "store/byte_io.h"

namespace aerie::store {
namespace {

constexpr uint8_t kVersion = 0;
constexpr uint8_t kCompressed = 1;
constexpr uint64_t kMaxBytes = 64u << 20;
constexpr int kCompressionLevel = 3;

Error corrupt(const char* what) {
  return Error(ErrorCode::Corruption, std::string("exemplars: ") + what);
}

bool same(const model::Exemplar& a, const model::Exemplar& b) {
  return a.t == b.t && std::bit_cast<uint64_t>(a.value) == std::bit_cast<uint64_t>(b.value) &&
         a.labels == b.labels;
}

bool same(const BlockExemplars& a, const BlockExemplars& b) {
  return a.series == b.series &&
         std::equal(a.exemplars.begin(), a.exemplars.end(), b.exemplars.begin(), b.exemplars.end(),
                    [](const model::Exemplar& x, const model::Exemplar& y) { return same(x, y); });
}

int64_t difference(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}

model::Labels get_labels(ByteReader& in) {
  const size_t count = in.count(2);
  std::string encoded;
  std::string_view before;
  for (size_t i = 0; i < count && !in.failed(); ++i) {
    const std::string_view name = in.sized_bytes();
    const std::string_view value = in.sized_bytes();
    if (name.empty() || value.empty() || (i > 0 && name <= before)) in.fail();
    before = name;
    put_bytes(encoded, name);
    put_bytes(encoded, value);
  }
  return in.failed() ? model::Labels() : model::Labels::from_encoded(std::move(encoded));
}

void get_series(ByteReader& in, BlockExemplars& out) {
  const size_t count = in.count(3);
  if (count == 0) in.fail();
  model::TimestampMs t = 0;
  for (size_t i = 0; i < count && !in.failed(); ++i) {
    model::Exemplar exemplar;
    const int64_t step = in.zigzag();
    t = static_cast<int64_t>(static_cast<uint64_t>(t) + static_cast<uint64_t>(step));
    exemplar.t = t;
    exemplar.value = get_number(in);
    exemplar.labels = get_labels(in);
    out.exemplars.push_back(std::move(exemplar));
  }
}

Result<std::string> unpacked(uint8_t flags, std::string_view frame) {
  if (flags > kCompressed) return corrupt("unknown flags");
  if (flags == 0) return std::string(frame);
  const auto size = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > kMaxBytes)
    return corrupt("damaged zstd frame");
  std::string out(size, '\0');
  const size_t got = ZSTD_decompress(out.data(), out.size(), frame.data(), frame.size());
  if (ZSTD_isError(got) || got != size) return corrupt("damaged zstd frame");
  return out;
}

}  // namespace

void ExemplarBlockWriter::add(uint32_t series, std::span<const model::Exemplar> exemplars) {
  AERIE_CHECK(!exemplars.empty() && (count_ == 0 || series > last_), "series ascend");
  if (count_ == 0) first_ = last_ = series;
  put_varint(body_, series - last_);
  put_varint(body_, exemplars.size());
  model::TimestampMs before = 0;
  for (const model::Exemplar& exemplar : exemplars) {
    put_zigzag(body_, difference(exemplar.t, std::exchange(before, exemplar.t)));
    put_number(body_, exemplar.value);
    put_varint(body_, exemplar.labels.size());
    for (const model::LabelView& label : exemplar.labels) {
      put_bytes(body_, label.name);
      put_bytes(body_, label.value);
    }
  }
  all_.push_back({series, {exemplars.begin(), exemplars.end()}});
  last_ = series;
  ++count_;
}

Result<std::string> ExemplarBlockWriter::finish() {
  std::string content;
  put_varint(content, count_);
  put_varint(content, first_);
  content += body_;
  if (content.size() > kMaxBytes)
    return Error(ErrorCode::ResourceExhausted, "exemplars of one series are larger than 64 MiB");
  std::string frame(ZSTD_compressBound(content.size()), '\0');
  const size_t size =
      ZSTD_compress(frame.data(), frame.size(), content.data(), content.size(), kCompressionLevel);
  const bool smaller = !ZSTD_isError(size) && size < content.size();
  frame.resize(smaller ? size : 0);
  std::string out;
  put_u8(out, kVersion);
  put_u8(out, smaller ? kCompressed : 0);
  out += smaller ? frame : content;
  // What is sealed leaves the log: it must be proven readable first.
  const auto back = parse_exemplar_block(out);
  const bool equal =
      back.ok() && std::equal(back->begin(), back->end(), all_.begin(), all_.end(),
                              [](const auto& a, const auto& b) { return same(a, b); });
  if (!equal) return Error(ErrorCode::Internal, "exemplars did not come back as they were");
  all_.clear();
  body_.clear();
  count_ = 0;
  return out;
}

Result<std::vector<BlockExemplars>> parse_exemplar_block(std::string_view bytes) {
  ByteReader head(bytes);
  if (head.u8() != kVersion || head.failed()) return corrupt("unknown version");
  const uint8_t flags = head.u8();
  if (head.failed()) return corrupt("too short");
  auto content = unpacked(flags, bytes.substr(2));
  if (!content) return std::move(content).error();
  ByteReader in(*content);
  const size_t count = in.count(5);
  uint64_t series = in.varint();
  std::vector<BlockExemplars> out;
  for (size_t i = 0; i < count && !in.failed(); ++i) {
    const uint64_t step = in.varint();
    if ((i > 0) != (step > 0) || step > UINT32_MAX) in.fail();
    series += step;
    if (series > UINT32_MAX) in.fail();
    BlockExemplars one;
    one.series = static_cast<uint32_t>(series);
    get_series(in, one);
    out.push_back(std::move(one));
  }
  if (in.failed() || !in.at_end() || out.empty()) return corrupt("damaged record");
  return out;
}

void tidy_exemplars(std::vector<model::Exemplar>& exemplars) {
  std::stable_sort(exemplars.begin(), exemplars.end(),
                   [](const model::Exemplar& a, const model::Exemplar& b) { return a.t < b.t; });
  // Repeats stand within the few of one time.
  std::vector<model::Exemplar> kept;
  for (model::Exemplar& one : exemplars) {
    bool repeats = false;
    for (size_t i = kept.size(); i > 0 && kept[i - 1].t == one.t && !repeats; --i)
      repeats = same(kept[i - 1], one);
    if (!repeats) kept.push_back(std::move(one));
  }
  exemplars.swap(kept);
}

}  // namespace aerie::store
