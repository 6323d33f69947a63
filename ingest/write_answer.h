#pragma once

#include <string>

#include "http/message.h"
#include "ingest/accounting.h"
#include "ingest/negotiation.h"

namespace aerie::ingest {

/// What the sender is told about a request that was processed.
struct WriteTotals {
  uint64_t floats_written =
      0;  ///< a standby's duplicates count: for the sender they are in safe hands
  uint64_t histograms_written = 0;
  uint64_t exemplars_written = 0;
  RefusalCounts refused{};
  std::string first_refusal;  ///< text for one of the refused

  uint64_t refused_total() const;
};

/// `12 samples refused (out_of_order=10, missing_name=2): <first>`; at most 1024 bytes, of which
/// senders log the beginning.
std::string refusal_summary(const RefusalCounts& refused, const std::string& first);

/// 204 if nothing was refused, else `refused_status` with the summary. The
/// X-Prometheus-Remote-Write-*-Written headers tell a sender of 2.0 always how much was kept, one
/// of 1.0 only with a refusal: with 204 it would take them for an answer in 2.0.
/// OTLP hears of refusals with 200, in a partial success: 4xx would say that nothing was taken.
http::Response write_answer(const WriteTotals& totals, WireFormat format, int refused_status);

}  // namespace aerie::ingest
