#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ingest/body_buffer.h"
#include "ingest/identity.h"
#include "ingest/otlp_decoder.h"
#include "ingest/write_request_decoder.h"
#include "ingest/write_v2_decoder.h"

namespace {

using namespace aerie::ingest;

void decode(RequestDecoder& decoder, std::string_view body) {
  const IngestOptions options;
  if (!decoder.decode(body)) return;
  std::vector<SeriesKey> keys;
  decoder.series_keys(1, keys);
  for (uint32_t i = 0; i < decoder.series().size(); ++i) {
    if (decoder.series()[i].defect != nullptr) continue;
    if (auto labels = decoder.labels(i); labels.ok())
      identify(std::move(*labels), nullptr, options);
    decoder.exemplars(i).ignore("only crashes count");
    decoder.histograms(i).ignore("only crashes count");
  }
}

void decode(std::string_view body) {
  WriteRequestDecoder version1;
  decode(version1, body);
  WriteV2Decoder version2;
  decode(version2, body);
  OtlpDecoder otlp;
  decode(otlp, body);
}

}  // namespace

// Bytes as a snappy block or zstd frame and, since a mutated block rarely survives its
// decompression, also as the message itself.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  BodyBuffer buffer;
  const std::string beginning(buffer.beginning(body));
  WriteRequestDecoder part;
  part.decode_beginning(beginning);
  part.decode_beginning(body);
  if (const auto message = buffer.uncompress(body, 1u << 20); message.ok()) {
    decode(*message);
    // Not so for zstd, whose frames may be looked at whole alone.
    if (!beginning.empty() && !message->starts_with(beginning)) std::abort();
  }
  decode(body);
  return 0;
}
