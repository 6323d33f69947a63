#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "http/client.h"

namespace aerie::cli {

using Query = std::vector<std::pair<std::string, std::string>>;

/// Asks a running aerie (or any Prometheus API) and opens its envelope. One thread.
class Api {
 public:
  /// `base_url` as given by the user: `localhost:9707` and `http://host/prefix/` both do.
  explicit Api(std::string base_url);
  /// The `data` of GET path?query; warnings go to standard error. Errors: what the server said, or
  /// why it was not reached.
  Result<boost::json::value> get(std::string_view path, const Query& query);
  /// The same by POST, for what changes something or takes long.
  Result<boost::json::value> post(std::string_view path, const Query& query);
  const std::string& base_url() const { return base_url_; }

 private:
  Result<boost::json::value> ask(http::ClientRequest request, std::string_view path,
                                 const Query& query);

  std::string base_url_;
  http::Client client_;
};

/// Member `name` of an object as text, number or child; a default when it is absent or of another
/// kind.
std::string text_of(const boost::json::value& object, std::string_view name);
double number_of(const boost::json::value& object, std::string_view name, double fallback);
const boost::json::array& items_of(const boost::json::value& object, std::string_view name);

}  // namespace aerie::cli
