#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "store/log_record.h"

using namespace aerie::store;

/// Whatever decodes must encode to something that decodes to the same again; nothing may crash.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  LoggedBatch batch;
  if (decode_batch(bytes, batch)) {
    std::string again;
    encode_batch(again, batch.arrived, batch.definitions, batch.newest, batch.rows);
    LoggedBatch second;
    if (!decode_batch(again, second)) std::abort();
    if (second.rows.floats.size() != batch.rows.floats.size()) std::abort();
  }
  std::vector<SeriesSnapshot> series;
  decode_checkpoint_part(bytes, series).ignore("only that it returns");
  std::vector<ClusterWatermark> clusters;
  decode_arrivals(bytes, clusters).ignore("only that it returns");
  return 0;
}
