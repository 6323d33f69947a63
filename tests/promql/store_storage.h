#pragma once

#include <memory>

#include "tests/promql/storage.h"

namespace aerie::promqltest {

/// A real store in a fresh temporary folder, removed with the object. `seal`: everything is flushed
/// into partitions after each load.
Result<std::unique_ptr<Storage>> make_store_storage(bool seal);

}  // namespace aerie::promqltest
