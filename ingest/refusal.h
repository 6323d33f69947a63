#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "store/write_batch.h"

namespace aerie::ingest {

/// Why rows of an otherwise good request were not kept. The first four are the store's
/// RejectReason, in its order.
enum class Refusal : uint8_t {
  OutOfOrder,
  DuplicateValue,
  TooOld,
  TooFarInFuture,
  MissingName,      ///< no metric name
  DuplicateLabel,   ///< a label name twice
  InvalidLabel,     ///< empty name, or not UTF-8
  LabelLimit,       ///< too many labels, or too long ones
  ClusterMismatch,  ///< OnMismatch::Verify
  InvalidHistogram,
  InvalidExemplar,
  InvalidReference,  ///< Remote-Write 2.0: a symbol that the request does not have
  ReservedName,      ///< only aerie itself writes series of this name
  ActiveSeriesLimit,
  NewSeriesLimit,
  UnsupportedPoint  ///< OTLP: not cumulative, or too coarse
};
inline constexpr size_t kRefusals = 16;
static_assert(static_cast<size_t>(store::RejectReason::TooFarInFuture) ==
              static_cast<size_t>(Refusal::TooFarInFuture));

/// The snake_case name, as it stands in metrics and answers.
constexpr std::string_view refusal_name(Refusal refusal) {
  constexpr std::array<std::string_view, kRefusals> kNames = {
      "out_of_order",     "duplicate_value",     "too_old",          "too_far_in_future",
      "missing_name",     "duplicate_label",     "invalid_label",    "label_limit",
      "cluster_mismatch", "invalid_histogram",   "invalid_exemplar", "invalid_reference",
      "reserved_name",    "active_series_limit", "new_series_limit", "unsupported_point"};
  return kNames[static_cast<size_t>(refusal)];
}

/// A reason with a text for the sender.
struct Refused {
  Refusal reason;
  std::string text;
};

}  // namespace aerie::ingest
