#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace aerie::ingest {

/// What decides about the suffixes of an OTLP metric's name.
enum class OtlpKind : uint8_t { Gauge, MonotonicSum, Other };

/// The Prometheus name of an OTLP metric, as Prometheus 3 makes it by default (translation strategy
/// UnderscoreEscapingWithSuffixes): everything but letters, digits and colons separates words,
/// which are joined by underscores; the unit is appended as a word (`s` as `seconds`, `By/s` as
/// `bytes_per_second`) unless it is there, then `total` for a monotonic sum, `ratio` for a gauge of
/// unit 1.
std::string otlp_metric_name(std::string_view name, std::string_view unit, OtlpKind kind);

/// The unit as a word, empty if there is none: what metadata carries.
std::string otlp_unit(std::string_view unit);

/// Everything but letters, digits and underscores becomes an underscore; what would begin with a
/// digit gets `key_` before it, with one underscore `key`.
std::string otlp_label_name(std::string_view name);

}  // namespace aerie::ingest
