// Parameters, escapes, targets and routes from arbitrary bytes: nothing crashes, and what is
// encoded decodes to itself.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "http/compression.h"
#include "http/message.h"
#include "http/router.h"
#include "http/wire.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aerie::http;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  AERIE_CHECK(percent_decode(percent_encode(text)) == text, "encoding loses bytes");
  AERIE_CHECK(percent_decode(text).size() <= text.size(), "decoding invents bytes");

  std::string encoded;
  const Parameters parameters = Parameters::parse(text);
  for (const auto& [name, value] : parameters.pairs()) {
    encoded += percent_encode(name) + "=" + percent_encode(value) + "&";
  }
  AERIE_CHECK(Parameters::parse(encoded).pairs() == parameters.pairs(),
              "parameters do not survive");

  const Target target = split_target(text);
  const std::string_view path = strip_prefix(target.path, "/prometheus");
  Router router;
  const auto ignore = [](Request, Responder) {};
  router.async({Method::Get}, "/label/{name}/values", ignore);
  router.async({Method::Post}, "/{rest...}", ignore);
  const auto match = router.find(Method::Get, path);
  AERIE_CHECK(match.kind != Router::Match::Kind::Found || !match.path_params.at("name").empty(),
              "a name was bound to nothing");
  accepts_gzip(text);
  return 0;
}
