#include "store/columns.h"

namespace aerie::store {

std::string encode_clock(IntegerEncoder& encoder, std::span<const model::TimestampMs> timestamps) {
  ColumnBytes column;
  encoder.put(timestamps, column);
  std::string out;
  put_varint(out, timestamps.size());
  put_bytes(out, column.head);
  out += column.body;
  return out;
}

Result<size_t> clock_rows(std::string_view bytes) {
  ByteReader reader(bytes);
  const uint64_t rows = reader.varint();
  if (reader.failed() || rows == 0 || rows > kMaxColumnRows)
    return Error(ErrorCode::Corruption, "clock: bad number of rows");
  return static_cast<size_t>(rows);
}

Status decode_clock(std::string_view bytes, std::vector<model::TimestampMs>& out) {
  Result<size_t> rows = clock_rows(bytes);
  if (!rows) return std::move(rows).error();
  ByteReader reader(bytes);
  reader.varint();
  const std::string_view head = reader.sized_bytes();
  if (reader.failed()) return Error(ErrorCode::Corruption, "clock: too short");
  ColumnReader in{ByteReader(head), reader};
  out.resize(*rows);
  if (Status status = get_integers(in, out); !status)
    return std::move(status).error().with("clock");
  for (size_t i = 1; i < out.size(); ++i)
    if (out[i] <= out[i - 1])
      return Error(ErrorCode::Corruption, "clock: timestamps do not ascend");
  return {};
}

}  // namespace aerie::store
