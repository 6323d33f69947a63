#pragma once

#include <array>
#include <boost/json/object.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "clusters/evidence.h"
#include "clusters/kubernetes/text_pool.h"

namespace aerie::clusters::kubernetes {

/// The pods of one cluster that belong to ReplicaSets, as small as what verdicts need of them: at
/// most 256 bytes a pod with its place in the indexes (docs/decisions/0173). Not thread-safe. Times
/// are seconds since the epoch on the member's clock, but for the counting of restarts, which uses
/// ours.
class PodTable {
 public:
  explicit PodTable(TextPool& texts) : texts_(texts) {}  // `texts` outlives the table

  /// Takes what a pod is now. `now`: our clock, milliseconds. Returns the ReplicaSets
  /// (`space/name`) whose evidence changed by it: none if nothing that is kept changed, two if it
  /// changed hands.
  std::vector<std::string> put(const boost::json::object& pod, int64_t now);
  std::vector<std::string> remove(const boost::json::object& pod);
  void begin_list();
  /// Drops what was not put since begin_list().
  std::vector<std::string> end_list();

  /// The pods of a ReplicaSet, by name. `now`: our clock; `at` becomes the time of every fact.
  std::vector<PodEvidence> of(std::string_view space, std::string_view replica_set, int64_t now,
                              model::TimestampMs at) const;
  /// ReplicaSets with pods on this node.
  std::vector<std::string> replica_sets_on(std::string_view node) const;
  size_t size() const { return index_.size(); }
  /// Memory of records and indexes, without that of the text pool.
  size_t bytes() const;

 private:
  using Id = TextPool::Id;
  enum Text : uint8_t {
    kName,   // only where it is not the owner's with a short suffix
    kOwner,  // "space/name" of its ReplicaSet
    kNode,
    kStatusReason,
    kWaiting,  // reasons of all containers, each ended by a newline
    kInitWaiting,
    kLastTerminated,
    kMessage,
    kRequests,  // "cpu=0.1\nmemory=…\n"
    kImages,    // "container=image\n"
    kTexts
  };
  enum Flag : uint8_t { kUnschedulable = 1, kTerminating = 2, kKnownReady = 4, kReady = 8 };
  struct Record {
    std::array<Id, kTexts> texts{};
    uint32_t next = 0;  // pods of one owner are chained; slot + 1, 0: the last one
    uint32_t restarts = 0;
    uint32_t init_restarts = 0;
    int32_t exit_code = kNoExitCode;
    uint32_t created = 0;
    uint32_t scheduled = 0;
    uint32_t ready_since = 0;
    std::array<char, 8> suffix{};  // of the name after that of its ReplicaSet and "-", ended by 0
    uint8_t phase = 0;
    uint8_t flags = 0;
    bool listed = false;  // since begin_list()
    bool same_evidence(const Record& other) const;
  };
  struct Restart {
    int64_t at;  // our clock
    uint32_t by;
    bool init;
  };
  static constexpr int32_t kNoExitCode = INT32_MIN;

  Record read(const boost::json::object& pod);
  void read_containers(const boost::json::object& status, Record& record);
  void read_conditions(const boost::json::object& status, Record& record);
  void read_spec(const boost::json::object& pod, Record& record);
  void set_text(Record& record, Text which, std::string_view text);
  void release(const Record& record);
  void chain(uint32_t slot);
  void unchain(uint32_t slot);
  std::string drop(uint64_t key, uint32_t slot);
  void note_restarts(uint32_t slot, const Record& before, const Record& after, int64_t now);
  PodEvidence evidence(uint32_t slot, int64_t now, model::TimestampMs at) const;
  static uint64_t key_of(std::string_view space, std::string_view name);
  void set_name(Record& record, std::string_view name);
  std::string name_of(const Record& record) const;
  std::string_view text(const Record& record, Text which) const {
    return texts_.text(record.texts[which]);
  }

  TextPool& texts_;
  std::vector<Record> records_;
  std::vector<uint32_t> free_;
  boost::unordered_flat_map<uint64_t, uint32_t> index_;  // hash of namespace and name -> slot
  boost::unordered_flat_map<Id, uint32_t> first_of_;     // owner -> slot + 1 of its first pod
  boost::unordered_flat_map<uint32_t, std::vector<Restart>> restarts_;  // of the last ten minutes
};

}  // namespace aerie::clusters::kubernetes
