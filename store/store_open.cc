#include "store/local_store.h"

namespace aerie::store {

Result<std::unique_ptr<Store>> Store::open(StoreOptions options, const Clock& clock,
                                           FileSystem& files, MetricRegistry& metrics) {
  auto store = LocalStore::open(std::move(options), clock, files, metrics, PartitionSet::open);
  if (!store) return std::move(store).error();
  return std::unique_ptr<Store>(std::move(*store));
}

}  // namespace aerie::store
