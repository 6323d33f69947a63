#include "http/cors.h"

#include <re2/re2.h>

namespace aerie::http {

struct CorsPolicy::State {
  State(const std::string& pattern, const RE2::Options& options)
      : allows_all(pattern == ".*"), origin(pattern, options) {}
  const bool allows_all;
  const RE2 origin;
};

CorsPolicy::CorsPolicy(std::unique_ptr<const State> state) : state_(std::move(state)) {}
CorsPolicy::CorsPolicy(CorsPolicy&&) noexcept = default;
CorsPolicy::~CorsPolicy() = default;

Result<CorsPolicy> CorsPolicy::compile(const std::string& allowed_origin) {
  RE2::Options options;
  options.set_log_errors(false);
  auto state = std::make_unique<const State>(allowed_origin, options);
  if (!state->origin.ok()) {
    return Error(ErrorCode::InvalidArgument,
                 "--web.cors.origin \"" + allowed_origin +
                     "\" is not a regular expression: " + state->origin.error());
  }
  return CorsPolicy(std::move(state));
}

void CorsPolicy::apply(std::string_view origin, Response& response) const {
  if (origin.empty()) return;
  response.headers.add("Vary", "Origin");
  const re2::StringPiece whole(origin.data(), origin.size());
  if (!state_->allows_all && !RE2::FullMatch(whole, state_->origin)) return;
  response.headers.set("Access-Control-Allow-Origin", state_->allows_all ? "*" : origin)
      .set("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, Origin")
      .set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
      .set("Access-Control-Expose-Headers", "Date");
}

}  // namespace aerie::http
