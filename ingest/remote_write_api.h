#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/gate.h"
#include "base/guarded.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/work_pool.h"
#include "http/router.h"
#include "ingest/accounting.h"
#include "ingest/fair_queue.h"
#include "ingest/ha_tracker.h"
#include "ingest/limit_keeper.h"
#include "ingest/options.h"
#include "ingest/pair_detector.h"
#include "ingest/request_processor.h"
#include "ingest/settings.h"
#include "ingest/standby_ring.h"
#include "ingest/unread_standbys.h"
#include "store/file_system.h"
#include "store/store.h"

namespace aerie::ingest {

/// What an operator wants to know about one cluster's writes.
struct IngestStatus {
  ClusterIngest counts;
  std::vector<Election> elections;  ///< one per HA group; empty: nobody sends a replica label
  bool unlabelled_pair = false;     ///< two servers without a replica label were seen
  bool confirmed = false;           ///< the configuration names it; else it was only discovered
  ClusterUsage usage;
  ClusterLimits limits;
};

/// Remote-Write 1.0 and 2.0 in: POST /api/v1/write, /api/v1/push and /api/v1/receive; OTLP metrics:
/// POST /api/v1/otlp/v1/metrics. Thread-safe.
/// No thread waits for a request: the io thread checks who calls and what is declared, the ingest
/// pool decodes, the store's applier completes. Answers (notes on what senders do with each:
/// docs/remote-write.md):
///   204 everything is durable (or was a standby's duplicate); 400 something can never be stored,
///   the rest was (409 for zstd); 401 unknown credential; 415 neither version of Remote-Write; 429
///   + Retry-After past a cluster's samples per second; 503 + Retry-After try again.
class RemoteWriteApi {
 public:
  /// Everything outlives the API; `pool` is where decoding runs.
  struct Parts {
    store::Store& store;
    WorkPool& pool;
    const Clock& clock;
    MetricRegistry& metrics;
    store::FileSystem& files;
    std::string standby_folder;  ///< for what standbys send; empty: in memory
  };
  /// Errors: InvalidArgument (bindings, rules), IoError (reading back the elections).
  static Result<std::unique_ptr<RemoteWriteApi>> create(IngestOptions options, Parts parts);
  ~RemoteWriteApi();  ///< stop()
  RemoteWriteApi(const RemoteWriteApi&) = delete;
  RemoteWriteApi& operator=(const RemoteWriteApi&) = delete;

  void register_routes(http::Router& router);
  /// Checks new bindings and limits; nothing changes yet. `ha` and the sizes of buffers are those
  /// of create() whatever stands in `options`. Errors: InvalidArgument.
  Result<std::shared_ptr<const Settings>> compile(IngestOptions options) const;
  /// From the next request on these hold. Elections, caches and counts go on.
  void use(std::shared_ptr<const Settings> settings);
  /// Who sends a request, by token or certificate. Empty: nobody that is configured.
  std::string member_of(const http::Request& request) const;
  /// Answers 503 from now on and waits for the requests inside; the store must still be open.
  /// Idempotent.
  void stop();

  /// All clusters that have sent something, sorted by name.
  std::vector<IngestStatus> status() const;

 private:
  struct Call;
  enum class Protocol : uint8_t { RemoteWrite, Otlp };

  RemoteWriteApi(std::shared_ptr<const Settings> settings, Parts parts,
                 std::unique_ptr<StandbyRing> standby);
  Status load_elections();
  void save_elections(const std::vector<SenderShare>& senders);
  void handle(http::Request request, http::Responder responder, Protocol protocol);
  void wait_for_turn(const std::shared_ptr<Call>& call, size_t decoded_bytes);
  bool within_rate(Call& call);
  void leave_thread(Call& call);
  void refresh_usage();
  void run(const std::shared_ptr<Call>& call);
  bool keep_unread(Call& call, Workspace& workspace);
  void note_read(const Call& call);
  void settle_standbys(const std::shared_ptr<Call>& call);
  void keep_for_later(const Call& call, const Sender& who, const HaTracker::Decision& decision,
                      std::string body);
  void replay(const StandbySender& sender);
  void store_again(const std::vector<KeptRequest>& requests, const std::shared_ptr<void>& files);
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

  const Parts parts_;
  Guarded<std::shared_ptr<const Settings>> settings_;
  const IngestOptions first_options_;  // ha and sizes: constant
  HaTracker ha_;
  PairDetector pairs_;
  const std::unique_ptr<StandbyRing> standby_;
  UnreadStandbys unread_;
  Counter unread_requests_;
  Accounting accounting_;
  LimitKeeper limits_;
  RequestProcessor processor_;
  std::shared_ptr<store::KeyedTable> elections_table_;  // constant after create()
  Guarded<std::vector<std::unique_ptr<Workspace>>> workspaces_;
  std::atomic<uint64_t> requests_{0};
  std::atomic<int64_t> last_unauthorized_log_ms_{0};
  Histogram& seconds_;
  Counter& ha_switches_;
  Gauge& ha_last_switch_;
  Gate gate_;
  FairQueue queue_;  // destroyed first: gives up what waits
};

}  // namespace aerie::ingest
