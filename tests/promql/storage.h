#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "model/sample_source.h"
#include "tests/promql/script.h"

namespace aerie::promqltest {

/// Where a script's samples live. One thread.
class Storage {
 public:
  virtual ~Storage() = default;
  virtual Status load(const Load& load) = 0;
  virtual const model::SampleSource& source() const = 0;
};

/// What a load command writes: its series, and with `with_nhcb` the native histograms made of the
/// classic ones.
std::vector<SeriesLine> series_of(const Load& load);

std::unique_ptr<Storage> make_memory_storage();

}  // namespace aerie::promqltest
