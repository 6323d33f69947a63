#include "tests/promql/store_storage.h"

namespace aerie::promqltest {

Result<std::unique_ptr<Storage>> make_store_storage(bool) {
  return Error(ErrorCode::Unavailable, "not yet");
}

}  // namespace aerie::promqltest
