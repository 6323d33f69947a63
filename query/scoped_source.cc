#include "query/scoped_source.h"

namespace aerie::query {

model::Matchers ScopedSource::narrowed(const model::Matchers& matchers) const {
  model::Matchers out = matchers;
  out.insert(out.end(), scope_.begin(), scope_.end());
  return out;
}

}  // namespace aerie::query
