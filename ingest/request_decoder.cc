#include "ingest/request_decoder.h"

#include <fmt/core.h>

namespace aerie::ingest {

Error past_limit(const char* what) {
  return Error(ErrorCode::InvalidArgument,
               fmt::format("more {} than one request may hold; lower max_samples_per_send", what));
}

Status RequestDecoder::status() const {
  if (past_limit_ != nullptr) return past_limit(past_limit_);
  return {};
}

}  // namespace aerie::ingest
