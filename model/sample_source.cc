#include "model/sample_source.h"

namespace aerie::model {

Result<std::vector<SeriesExemplars>> SampleSource::exemplars(const std::vector<Matchers>&,
                                                             TimeRange) const {
  return std::vector<SeriesExemplars>();
}

}  // namespace aerie::model
