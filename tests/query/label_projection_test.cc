#include "query/label_projection.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>

namespace aerie::query {
namespace {

using Keep = LabelProjection::Keep;

/// As the header says it, label by label.
model::Labels plain(Keep keep, const std::vector<std::string>& names, const SeriesInfo& info) {
  std::vector<model::LabelView> kept;
  for (const model::LabelView& label : info.labels) {
    const bool named = std::find(names.begin(), names.end(), label.name) != names.end();
    if (info.drop_name && is_metadata_label(label.name)) continue;
    if (keep == Keep::Only && !named) continue;
    if (keep != Keep::Only && named) continue;
    if (keep == Keep::AllBut && label.name == model::kMetricName) continue;
    kept.push_back(label);
  }
  return model::Labels::from_pairs(std::move(kept));
}

TEST_CASE("projected labels are those that count, whatever came before") {
  std::mt19937_64 random(7);
  const std::vector<std::string> all = {"__name__", "__type__", "a", "aa", "b", "c", "le"};
  for (int round = 0; round < 300; ++round) {
    std::vector<SeriesInfo> series;
    for (int i = 0; i < 30; ++i) {
      std::vector<model::LabelView> pairs;
      static const std::string kValues[] = {"", "x", "y", std::string(200, 'z')};
      for (const std::string& name : all) pairs.push_back({name, kValues[random() % 4]});
      series.push_back({model::Labels::from_pairs(std::move(pairs)), random() % 3 == 0});
    }
    std::sort(series.begin(), series.end(),
              [](const SeriesInfo& a, const SeriesInfo& b) { return (a.labels <=> b.labels) < 0; });
    std::vector<std::string> names;
    for (const std::string& name : all)
      if (random() % 3 == 0) names.push_back(name);
    std::shuffle(names.begin(), names.end(), random);
    const auto keep = static_cast<Keep>(random() % 3);
    LabelProjection projection(keep, names, false);
    std::map<std::string, uint32_t> ids;
    for (const SeriesInfo& info : series) {
      const model::Labels expected = plain(keep, names, info);
      const auto known = ids.emplace(expected.to_string(), static_cast<uint32_t>(ids.size()));
      const uint32_t id = projection.id_of(info);
      REQUIRE(id == known.first->second);
      REQUIRE(projection.labels(id) == expected);
      REQUIRE(projection.find(info) == id);
    }
    REQUIRE(projection.size() == ids.size());
  }
}

}  // namespace
}  // namespace aerie::query
