#include "ingest/settings.h"

#include <algorithm>
#include <utility>

namespace aerie::ingest {

Result<std::shared_ptr<const Settings>> Settings::compile(IngestOptions new_options,
                                                          uint64_t process_seed) {
  auto bindings = BindingTable::create(new_options.clusters);
  if (!bindings) return std::move(bindings).error();
  return std::shared_ptr<const Settings>(std::make_shared<Settings>(
      Settings{std::move(new_options), std::move(*bindings), process_seed}));
}

uint64_t Settings::series_seed(const ClusterBinding* binding) const {
  const ClusterLimits& limits = options.limits;
  uint64_t seed = process_seed + bindings.fingerprint(binding);
  for (const size_t bound : {limits.labels, limits.label_name_bytes, limits.label_value_bytes})
    seed = (seed ^ bound) * 0x9e3779b97f4a7c15;
  return seed;
}

bool Settings::names(std::string_view cluster) const {
  const auto is_it = [cluster](const ClusterBinding& binding) {
    const auto label = std::find_if(binding.labels.begin(), binding.labels.end(),
                                    [](const auto& one) { return one.first == "cluster"; });
    return cluster == (label == binding.labels.end() ? binding.name : label->second);
  };
  return std::any_of(options.clusters.begin(), options.clusters.end(), is_it);
}

const ClusterLimits& Settings::limits_of(std::string_view cluster) const {
  const ClusterBinding* binding = bindings.find_name(cluster);
  return binding != nullptr && binding->limits ? *binding->limits : options.limits;
}

}  // namespace aerie::ingest
