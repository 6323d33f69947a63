#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/admission.h"
#include "base/clock.h"
#include "base/gate.h"
#include "base/guarded.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/work_pool.h"
#include "http/router.h"
#include "ingest/accounting.h"
#include "ingest/ha_tracker.h"
#include "ingest/identity.h"
#include "ingest/options.h"
#include "ingest/pair_detector.h"
#include "ingest/request_processor.h"
#include "ingest/standby_ring.h"
#include "store/store.h"

namespace aerie::ingest {

/// What an operator wants to know about one cluster's writes.
struct IngestStatus {
  ClusterIngest counts;
  std::vector<Election> elections;  ///< one per HA group; empty: nobody sends a replica label
  bool unlabelled_pair = false;     ///< two servers without a replica label were seen
};

/// Remote-Write 1.0 in: POST /api/v1/write, /api/v1/push and /api/v1/receive. Thread-safe. No
/// thread waits for a request: the io thread checks who calls and what is declared, the ingest pool
/// decodes, the store's applier completes. Answers (notes on what senders do with each:
/// docs/remote-write.md):
///   204 everything is durable (or was a standby's duplicate); 400 something can never be stored,
///   the rest was; 401 unknown credential; 415 not Remote-Write 1.0 in snappy; 503 + Retry-After
///   try again.
class RemoteWriteApi {
 public:
  /// Everything outlives the API; `pool` is where decoding runs.
  struct Parts {
    store::Store& store;
    WorkPool& pool;
    const Clock& clock;
    MetricRegistry& metrics;
  };
  /// Errors: InvalidArgument (bindings), IoError (reading back the elections).
  static Result<std::unique_ptr<RemoteWriteApi>> create(IngestOptions options, Parts parts);
  ~RemoteWriteApi();  ///< stop()
  RemoteWriteApi(const RemoteWriteApi&) = delete;
  RemoteWriteApi& operator=(const RemoteWriteApi&) = delete;

  void register_routes(http::Router& router);
  /// Answers 503 from now on and waits for the requests inside; the store must still be open.
  /// Idempotent.
  void stop();

  /// All clusters that have sent something, sorted by name.
  std::vector<IngestStatus> status() const;

 private:
  struct Call;

  RemoteWriteApi(IngestOptions options, BindingTable bindings, Parts parts);
  Status load_elections();
  void save_elections(const std::vector<SenderShare>& senders);
  void handle(http::Request request, http::Responder responder);
  void run(const std::shared_ptr<Call>& call);
  void settle_standbys(const std::shared_ptr<Call>& call);
  void replay(const SenderShare& share);
  void append(const std::shared_ptr<Call>& call, store::WriteBatch batch);
  void on_stored(const std::shared_ptr<Call>& call, Result<store::WriteOutcome> outcome);
  void run_again(const std::shared_ptr<Call>& call);
  void finish(const std::shared_ptr<Call>& call);
  void book(Call& call);
  void answer(Call& call, http::Response response);
  http::Response unauthorized(const http::Request& request);
  http::Response try_later(const http::Request& request, const Error& why);
  std::unique_ptr<Workspace> take_workspace();
  void give_back(std::unique_ptr<Workspace> workspace);

  const IngestOptions options_;
  const BindingTable bindings_;
  const Parts parts_;
  Admission admission_;
  HaTracker ha_;
  PairDetector pairs_;
  StandbyRing standby_;
  Accounting accounting_;
  RequestProcessor processor_;
  std::shared_ptr<store::KeyedTable> elections_table_;  // constant after create()
  Guarded<std::vector<std::unique_ptr<Workspace>>> workspaces_;
  std::atomic<uint64_t> requests_{0};
  std::atomic<int64_t> last_unauthorized_log_ms_{0};
  Histogram& seconds_;
  Counter& ha_switches_;
  Gauge& ha_last_switch_;
  Gate gate_;
};

}  // namespace aerie::ingest
