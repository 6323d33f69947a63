#pragma once

#include <string>

#include "http/message.h"
#include "ingest/accounting.h"

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

/// 204 without counts if nothing was refused, for Remote-Write 1.0 senders take counts on success
/// for version 2.0; else 400 with the summary and the X-Prometheus-Remote-Write-*-Written headers,
/// which tell the sender how much of it was kept.
http::Response write_answer(const WriteTotals& totals);

}  // namespace aerie::ingest
