#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ingest/histogram_decoder.h"
#include "ingest/identity.h"
#include "ingest/write_request_decoder.h"

namespace {

using namespace aerie::ingest;

void decode(std::string_view body) {
  const IngestOptions options;
  WriteRequestDecoder decoder;
  if (!decoder.decode(body)) return;
  for (const DecodedSeries& series : decoder.series()) {
    if (auto labels = parse_labels(series.labels); labels.ok())
      identify(std::move(*labels), nullptr, options);
    parse_exemplars(series.message).ignore("only crashes count");
    const auto histograms = find_histograms(series.message);
    if (!histograms) continue;
    for (const std::string_view histogram : *histograms)
      parse_histogram(histogram).ignore("only crashes count");
  }
}

}  // namespace

// Bytes as a snappy block and, since a mutated block rarely survives its decompression, also as the
// message itself.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  SnappyBuffer buffer;
  if (const auto message = buffer.uncompress(body, 1u << 20); message.ok()) decode(*message);
  decode(body);
  return 0;
}
