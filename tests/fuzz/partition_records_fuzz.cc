#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/matcher.h"
#include "store/checksum.h"
#include "store/column_group.h"
#include "store/index_reader.h"
#include "store/partition_record.h"

/// Hostile values behind correct checksums: column groups, commit records, every record of an
/// index.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aerie;
  using namespace aerie::store;
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  std::string sealed(bytes);
  append_checksum(sealed, 0);
  switch (data[0] % 4) {
    case 0: {
      auto group = ColumnGroup::parse(sealed, 0);
      if (group) (*group)->columns((*group)->first_series());
      break;
    }
    case 1: decode_commit(sealed).ignore("any answer will do"); break;
    default: {
      // One input is cut into the four kinds of records.
      const size_t quarter = bytes.size() / 4;
      auto reader =
          IndexReader::open([&](IndexRecord kind, uint32_t, uint32_t) -> Result<std::string> {
            const size_t part = static_cast<size_t>(kind) - static_cast<size_t>(IndexRecord::Names);
            return std::string(bytes.substr(part * quarter, quarter));
          });
      if (!reader || (*reader)->series_count() > 1u << 20) return 0;
      auto set = (*reader)->match({model::Matcher::equal("a", "b")});
      if (set)
        (*reader)->labels(*set, [](uint32_t, std::string_view) {}).ignore("any answer will do");
      (*reader)->label_names(nullptr).ignore("any answer will do");
      (*reader)->label_values("a", nullptr).ignore("any answer will do");
    }
  }
  return 0;
}
