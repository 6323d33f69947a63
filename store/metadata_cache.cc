#include "store/metadata_cache.h"

#include <algorithm>

#include "store/byte_io.h"

namespace aerie::store {
namespace {

std::string encode_key(const std::string& family, const std::string& cluster) {
  return family + '\0' + cluster;
}

std::string encode_value(const model::MetricMetadata& metadata) {
  std::string out(1, static_cast<char>(metadata.type));
  put_bytes(out, metadata.help);
  put_bytes(out, metadata.unit);
  return out;
}

}  // namespace

Result<std::unique_ptr<MetadataCache>> MetadataCache::open(std::shared_ptr<KeyedTable> table) {
  auto rows = table->scan({});
  if (!rows) return std::move(rows).error().with("read metric metadata");
  std::unique_ptr<MetadataCache> cache(
      new MetadataCache(std::move(table)));  // NOLINT: private constructor
  for (const auto& [key, value] : *rows) {
    const size_t split = key.find('\0');
    ByteReader in(value);
    model::MetricMetadata metadata;
    const uint8_t type = in.u8();
    metadata.type = static_cast<model::MetricType>(type);
    metadata.help = in.sized_bytes();
    metadata.unit = in.sized_bytes();
    if (in.failed() || split == std::string::npos ||
        type > static_cast<uint8_t>(model::MetricType::StateSet)) {
      return Error(ErrorCode::Corruption, "metric metadata row is damaged: " + key);
    }
    cache->state_.with([&, &row_key = key](State& state) {
      state.rows[{row_key.substr(0, split), row_key.substr(split + 1)}] = std::move(metadata);
    });
  }
  return cache;
}

bool MetadataCache::news(const MetadataRow& row) const {
  return state_.with([&](const State& state) {
    const auto known = state.rows.find({row.metric_family, row.cluster});
    return known == state.rows.end() || !(known->second == row.metadata);
  });
}

void MetadataCache::apply(const std::vector<MetadataRow>& rows) {
  if (rows.empty()) return;
  state_.with([&](State& state) {
    for (const MetadataRow& row : rows) {
      Key key{row.metric_family, row.cluster};
      state.rows[key] = row.metadata;
      state.dirty.insert(std::move(key));
    }
  });
}

Status MetadataCache::flush() {
  std::set<Key> dirty;
  std::vector<std::pair<std::string, std::string>> puts;
  state_.with([&](State& state) {
    dirty.swap(state.dirty);
    for (const Key& key : dirty)
      puts.emplace_back(encode_key(key.first, key.second), encode_value(state.rows[key]));
  });
  if (puts.empty()) return {};
  auto written = table_->apply(puts, {});
  if (!written) state_.with([&](State& state) { state.dirty.merge(dirty); });
  return written;
}

std::vector<FamilyMetadata> MetadataCache::find(std::string_view metric_family) const {
  return state_.with([&](const State& state) {
    std::vector<FamilyMetadata> out;
    auto at = metric_family.empty() ? state.rows.begin()
                                    : state.rows.lower_bound({std::string(metric_family), ""});
    for (; at != state.rows.end() && (metric_family.empty() || at->first.first == metric_family);
         ++at) {
      const auto same = [&, &found = *at](const FamilyMetadata& one) {
        return one.metric_family == found.first.first && one.metadata == found.second;
      };
      // Rows of one family stand together, so only the end of `out` can hold a repeat.
      auto first = out.end();
      while (first != out.begin() && std::prev(first)->metric_family == at->first.first) --first;
      if (std::none_of(first, out.end(), same)) out.push_back({at->first.first, at->second});
    }
    return out;
  });
}

}  // namespace aerie::store
