// Remote read requests from arbitrary bytes, as they come and as the content of a snappy block.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "query/protobuf_wire.h"
#include "query/remote_read.h"

namespace {

/// One literal holds up to 60 bytes; longer inputs in several.
std::string as_snappy_block(std::string_view bytes) {
  std::string out;
  aerie::query::append_varint(out, bytes.size());
  for (size_t first = 0; first < bytes.size(); first += 60) {
    const std::string_view part = bytes.substr(first, 60);
    out += static_cast<char>((part.size() - 1) << 2);
    out += part;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aerie::query;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const auto& request :
       {decode_remote_read(bytes, {}), decode_remote_read(as_snappy_block(bytes), {})}) {
    if (request) continue;
    AERIE_CHECK(!request.error().message().empty(), "no text");
  }
  ProtobufReader reader(bytes);
  size_t total = 0;
  while (const auto field = reader.next()) total += field->bytes.size();
  AERIE_CHECK(total <= size, "fields reach beyond the message");
  return 0;
}
