#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/gate.h"
#include "http/router.h"
#include "ingest/negotiation.h"
#include "ingest/remote_write_api.h"
#include "ingest/request_processor.h"
#include "ingest/write_answer.h"

namespace aerie::ingest {

/// One request from its arrival to its answer. Private to RemoteWriteApi; passed from thread to
/// thread, one at a time.
struct RemoteWriteApi::Call {
  http::Request request;
  http::Responder responder;
  Gate::Pass pass;
  Admission::Permit permit;
  Caller caller;
  BodyKind kind;
  int64_t started_ns = 0;
  Origin origin = Origin::Sender;
  bool running = false;     // a turn of the queue is to be given back
  PreparedWrite prepared;   // its batch has gone to the store
  uint32_t float_rows = 0;  // of the batch last sent
  store::ReplicaPolicy replicas = store::ReplicaPolicy::SingleSender;
  WriteTotals totals;
  uint32_t deduplicated_by_store = 0;
  std::vector<uint32_t> stale;
  int resends = 0;
  bool try_later = false;            // some rows were refused that the store will take later
  std::shared_ptr<void> kept_files;  // of a standby's request: they go when it is stored

  WireBody body() const { return {request.body, kind}; }
  // What can never succeed. vmagent takes 400 for an answer that knows no zstd, repeats the block
  // in snappy and never sends zstd again; of 409 it thinks what everybody thinks of 400.
  int permanent_status() const { return kind.encoding == BodyEncoding::Zstd ? 409 : 400; }
};

}  // namespace aerie::ingest
