#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace aerie::clusters::kubernetes {

// Looking into objects that strangers wrote: whatever is missing or of another type is absent.

const boost::json::object* object_at(const boost::json::object& in, std::string_view key);
const boost::json::array* array_at(const boost::json::object& in, std::string_view key);
/// Empty when absent. Borrowed from `in`.
std::string_view text_at(const boost::json::object& in, std::string_view key);
std::optional<int64_t> integer_at(const boost::json::object& in, std::string_view key);
bool flag_at(const boost::json::object& in, std::string_view key);

/// Parses one object; at most 64 levels deep. Errors: InvalidArgument.
Result<boost::json::object> parse_object(std::string_view text);

/// Seconds since the epoch of `2026-01-02T03:04:05Z` or with a fraction; empty for anything else.
std::optional<int64_t> parse_time(std::string_view text);
/// The value of a Kubernetes quantity: 100m, 1.5, 64Mi, 2e3; empty for anything else.
std::optional<double> parse_quantity(std::string_view text);

}  // namespace aerie::clusters::kubernetes
