#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "ingest/election_record.h"
#include "ingest/remote_write_api.h"
#include "ingest/remote_write_call.h"

// What RemoteWriteApi does about replicas: elections, and requests of standbys.
namespace aerie::ingest {
namespace {

StandbySender standby_of(const Sender& who) { return {who.cluster, who.group.group, who.replica}; }

}  // namespace

// True if the request is done: a standby's, and only its beginning was looked at.
bool RemoteWriteApi::keep_unread(Call& call, Workspace& workspace) {
  if (call.request.headers.has("X-Aerie-Backfill")) return false;
  const auto seen = processor_.glimpse(call.body(), call.caller, workspace);
  if (!seen) return false;
  const size_t bytes = call.request.body.size();
  const auto samples = unread_.skip(*seen->who, bytes);
  if (!samples) return false;
  const auto decision = ha_.observe_standby(seen->who->group, seen->who->replica, seen->newest);
  if (!decision) return false;
  keep_for_later(call, *seen->who, *decision, std::move(call.request.body));
  unread_requests_.add();
  accounting_.add(accounting_.book_name(seen->who->cluster),
                  {.received = *samples, .deduplicated = *samples});
  answer(call, write_answer({}, call.kind.format, call.permanent_status()));
  return true;
}

// What others have in a standby's requests is stored: it may also be in those that were not read.
void RemoteWriteApi::note_read(const Call& call) {
  const PreparedWrite& write = call.prepared;
  if (write.first_sender == nullptr) return;
  std::vector<const Sender*> with_replica;
  for (const SenderShare& share : write.senders) {
    if (!share.who->replica.empty() && (write.mixed || share.who == write.first_sender))
      with_replica.push_back(share.who);
  }
  for (const Sender* who : with_replica) {
    if (!unread_.note({who, write.mixed, write.samples, call.request.body.size()})) continue;
    for (const StandbySender& sender : standby_->senders_of(who->cluster, who->group.group)) {
      store_again(standby_->look(sender, parts_.clock.now_ms()), nullptr);
    }
  }
}

// What a standby sends is kept for the time in which its lead may turn out to be dead; a new lead's
// is stored now, before the request that made it the lead, and before any other of its requests.
void RemoteWriteApi::settle_standbys(const std::shared_ptr<Call>& call) {
  for (const SenderShare& share : call->prepared.senders) {
    if (share.who->replica.empty()) continue;
    const HaTracker::Decision& decision = share.decision;
    if (decision.replay_first) {
      StandbySender lead = standby_of(*share.who);
      if (!decision.handed_to.empty()) lead.replica = decision.handed_to;
      replay(lead);
      ha_.replayed(share.who->group);
    } else if (decision.wait) {
      ha_.wait_until_replayed(share.who->group);
    }
    if (decision.keep_for > 0) keep_for_later(*call, *share.who, decision, call->request.body);
  }
}

void RemoteWriteApi::keep_for_later(const Call& call, const Sender& who,
                                    const HaTracker::Decision& decision, std::string body) {
  const int64_t now_ms = parts_.clock.now_ms();
  const ClusterBinding* binding = call.caller.binding;
  const KeptRequest request{.body = std::move(body),
                            .kind = call.kind,
                            .binding = binding == nullptr ? std::string() : binding->name,
                            .until_ms = now_ms + decision.keep_for};
  if (auto kept = standby_->keep(standby_of(who), request, now_ms); !kept) {
    AERIE_LOG(Error, "what a standby sent is not kept", {"cluster", who.cluster},
              {"replica", who.replica}, {"error", kept.error().message()});
  }
}

void RemoteWriteApi::replay(const StandbySender& sender) {
  const StandbyRing::Taken taken = standby_->take(sender, parts_.clock.now_ms());
  if (taken.requests.empty()) return;
  AERIE_LOG(Info, "storing what the new lead sent as a standby", {"cluster", sender.cluster},
            {"replica", sender.replica}, {"requests", taken.requests.size()});
  store_again(taken.requests, taken.files);
}

void RemoteWriteApi::store_again(const std::vector<KeptRequest>& requests,
                                 const std::shared_ptr<void>& files) {
  const auto settings = settings_.copy();
  for (const KeptRequest& request : requests) {
    // It was answered long ago: who sent it hears nothing of this.
    auto again = std::make_shared<Call>(
        Call{.request = {}, .responder = http::Responder([](const http::Response&) {})});
    again->pass = gate_.enter();
    if (!again->pass) return;
    again->request.body = request.body;
    again->kind = request.kind;
    again->caller = {settings, settings->bindings.find_name(request.binding)};
    if (!request.binding.empty() && again->caller.binding == nullptr) continue;  // revoked
    again->kept_files = files;
    again->started_ns = parts_.clock.monotonic_ns();
    again->origin = Origin::Standby;
    run(again);
  }
}

Status RemoteWriteApi::load_elections() {
  auto table = parts_.store.table(kElectionsTable);
  if (!table) return std::move(table).error();
  elections_table_ = std::move(*table);
  if (elections_table_ == nullptr) return {};
  auto rows = elections_table_->scan({});
  if (!rows) return std::move(rows).error();
  for (const auto& [key, value] : *rows) {
    auto election = decode_election(key, value);
    if (!election) return std::move(election).error();
    ha_.restore(*election);
  }
  return {};
}

// Rare, and on a pool thread that may wait for the disk. Should it fail, a restart may keep samples
// of both replicas for a moment.
void RemoteWriteApi::save_elections(const std::vector<SenderShare>& senders) {
  for (const SenderShare& share : senders) {
    const bool handed = !share.decision.handed_to.empty();
    if (!share.decision.took_over && !share.decision.began && !handed) continue;
    const std::string& replica = handed ? share.decision.handed_to : share.who->replica;
    const model::TimestampMs now = parts_.clock.now_ms();
    if (!share.decision.began) {
      ha_switches_.add();
      ha_last_switch_.set(static_cast<double>(now) / 1000);
      AERIE_LOG(Info, handed ? "HA lead came back with scrapes missing" : "HA replica took over",
                {"cluster", share.who->cluster}, {"group", share.who->group.group},
                {"replica", replica}, {"previous", share.decision.previous},
                {"epoch", share.decision.epoch});
    }
    if (elections_table_ == nullptr) continue;
    Election election;
    election.group = share.who->group;
    election.replica = replica;
    election.epoch = share.decision.epoch;
    election.cut = share.decision.cut;
    election.since_ms = now;
    if (auto saved = elections_table_->apply(
            {{election_key(election.group), encode_election(election)}}, {});
        !saved) {
      AERIE_LOG(Error, "HA election was not saved", {"cluster", share.who->cluster},
                {"error", saved.error().message()});
    }
  }
}

}  // namespace aerie::ingest
