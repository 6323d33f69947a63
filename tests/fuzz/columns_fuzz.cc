#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "store/column_group.h"
#include "store/columns.h"
#include "store/exemplar_block.h"
#include "store/start_times.h"

/// The first byte chooses: decode hostile bytes as a column, a clock, histograms, start timestamps
/// or exemplars; or encode hostile doubles and demand them back.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aerie;
  using namespace aerie::store;
  if (size < 3) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 3), size - 3);
  const size_t rows = 1 + data[1] * 4;
  const size_t split = bytes.size() * data[2] / 256;
  ColumnReader in{ByteReader(bytes.substr(0, split)), ByteReader(bytes.substr(split))};
  switch (data[0] % 6) {
    case 0: {
      std::vector<double> values(rows);
      FloatDecoder().get(in, values).ignore("any answer will do");
      break;
    }
    case 1: {
      std::vector<model::TimestampMs> clock;
      decode_clock(bytes, clock).ignore("any answer will do");
      break;
    }
    case 2: {
      const std::vector<model::TimestampMs> timestamps(rows);
      std::vector<model::HistogramSample> samples;
      get_histograms(in, timestamps, samples).ignore("any answer will do");
      break;
    }
    case 3: {
      const std::vector<model::TimestampMs> timestamps(rows);
      std::vector<model::TimestampMs> starts;
      get_start_column(in, timestamps, starts).ignore("any answer will do");
      break;
    }
    case 4: {
      const auto block = parse_exemplar_block(bytes);
      if (block.ok()) AERIE_CHECK(!block->empty(), "a block of exemplars is never empty");
      break;
    }
    default: {
      std::vector<double> values(bytes.size() / sizeof(double));
      if (values.empty()) return 0;
      std::memcpy(values.data(), bytes.data(), values.size() * sizeof(double));
      ColumnBytes column;
      FloatEncoder().put(values, column);
      ColumnReader back{ByteReader(column.head), ByteReader(column.body)};
      std::vector<double> again(values.size());
      const Status status = FloatDecoder().get(back, again);
      AERIE_CHECK(status.ok(), "an encoded column decodes");
      AERIE_CHECK(std::memcmp(values.data(), again.data(), values.size() * sizeof(double)) == 0,
                  "a column comes back bit for bit");
    }
  }
  return 0;
}
