#include "store/byte_io.h"
#include "store/log_record.h"

namespace aerie::store {

void encode_arrivals(std::string& out, const std::vector<ClusterWatermark>& clusters) {
  put_varint(out, clusters.size());
  for (const ClusterWatermark& one : clusters) {
    put_bytes(out, one.cluster);
    put_zigzag(out, one.watermark);
  }
}

Status decode_arrivals(std::string_view payload, std::vector<ClusterWatermark>& out) {
  ByteReader in(payload);
  const size_t n = in.count(2);
  for (size_t i = 0; i < n && !in.failed(); ++i) {
    ClusterWatermark one;
    one.cluster = in.sized_bytes();
    one.watermark = in.zigzag();
    out.push_back(std::move(one));
  }
  if (in.failed() || in.left() > 0)
    return Error(ErrorCode::Corruption, "log record: arrivals do not follow their format");
  return {};
}

}  // namespace aerie::store
