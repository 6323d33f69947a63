#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "clusters/causes.h"
#include "clusters/desired.h"
#include "clusters/evidence.h"
#include "clusters/timeline_event.h"
#include "clusters/workload.h"
#include "model/time.h"

namespace aerie::clusters {

/// What the cluster as a whole is worth as a witness.
enum class Witness : uint8_t {
  Sound,    ///< alive, and its kube-state-metrics is whole
  Silent,   ///< nothing arrives, or only what is long past
  Partial,  ///< alive, kube-state-metrics (or one of its shards) is not
  Warming,  ///< we have just started and have not heard of it yet
  Never     ///< it has never written anything
};

/// Everything judge() looks at besides its memory. Borrowed for the call.
struct Case {
  const DeploymentEvidence* observed = nullptr;  ///< null: no such Deployment in the evidence
  std::optional<Desired> desired;
  Witness witness = Witness::Sound;
  std::string witness_text;        ///< for the operator, when not sound: "silent for 92 s"
  bool namespace_missing = false;  ///< surely so
  bool frozen = false;             ///< the evidence may be an old copy, although it keeps arriving
  model::DurationMs interval = 15'000;
  model::TimestampMs now = 0;  ///< our clock
};

struct Verdict {
  Phase phase = Phase::Unknown;
  std::string reason;                 ///< "FailedCreate/Quota"; empty for Complete and Idle
  std::string message;                ///< one sentence; may be empty
  model::TimestampMs since = 0;       ///< our clock, when this phase began
  std::vector<Cause> causes;          ///< all that are seen, worst first
  std::vector<std::string> warnings;  ///< what does not change the phase: "Restarting: …"
};

/// What one evaluation leaves to the next: holds, timers and what was completed. A value; encode()
/// gives what survives a restart.
struct Memory {
  struct Standing {
    Phase phase = Phase::Unknown;
    std::string reason;
    model::TimestampMs since = 0;
  };
  struct Seen {
    model::TimestampMs first = 0;
    std::optional<model::TimestampMs> absent_since;
    std::string detail;  ///< last decisive detail
    bool decisive = false;
  };
  /// The furthest a rollout (or scaling) has come; flickers are no progress.
  struct Progress {
    std::string of;  ///< which template and how many replicas
    int64_t updated = 0;
    int64_t old = 0;
    int64_t ready = 0;
    int64_t available = 0;
    model::TimestampMs at = 0;  ///< when it last came further
  };
  struct Completed {
    int64_t replicas = 0;
    std::string replica_set;  ///< of the newest template; empty: not known
  };
  struct Rollout {
    model::TimestampMs began = 0;  ///< of the sample that first showed it
    bool first_pod = false;
    bool first_ready = false;
    bool half_ready = false;
  };
  std::optional<Standing> standing;    ///< the last verdict
  std::optional<Standing> last_known;  ///< the last one that was not Unknown
  std::map<CauseKind, Seen> causes;
  std::optional<Completed>
      completed;  ///< the last rollout that ended, unless another has begun since
  std::optional<Progress> progress;
  std::string replica_set;  ///< of the newest template, as last known
  std::optional<model::TimestampMs> unobserved_since;
  std::optional<model::TimestampMs> mismatch_since;
  std::optional<model::TimestampMs> short_since;  ///< available < spec although no rollout runs
  std::optional<model::TimestampMs> torn_since;   ///< the evidence is of two scrapes
  std::optional<model::TimestampMs> absent_since;
  std::optional<model::TimestampMs> template_mismatch_since;
  std::optional<int64_t> spec_replicas;  ///< last known: what a silent cluster was asked to run
  std::optional<int64_t> generation;     ///< last known
  std::optional<Rollout> rollout;        ///< the one that runs, if we saw it begin
  std::optional<model::TimestampMs> last_complete;  ///< when it was last seen complete

  /// The part that survives a restart: verdicts, what was completed, causes and progress with their
  /// times; `key=value` lines.
  std::string encode() const;
  /// Reads what encode() made. Keys it does not know and values it cannot read are skipped: the
  /// worst is a forgotten timer.
  static Memory decode(std::string_view text);
};

struct Judgement {
  Verdict verdict;
  Memory memory;
  std::vector<WorkloadEvent> events;  ///< what has happened since the last judgement
  /// True if no timer runs: unless evidence, desire or witness change, the verdict stays as it is.
  bool settled = false;
};

/// The decision list of docs/verdict.md, first match wins. Pure: the same case and memory give the
/// same judgement. Never Complete unless every required fact is known; missing evidence never makes
/// a bad verdict good.
Judgement judge(const Case& matter, Memory memory);

}  // namespace aerie::clusters
