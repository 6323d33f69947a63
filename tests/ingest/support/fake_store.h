#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "store/store.h"

namespace aerie::ingest::test {

/// A store that keeps rows in memory, knows the spacing rule for pairs (with 15 s as interval) and
/// does what a test tells it: refuse, call handles stale, or wait. Thread-safe.
class FakeStore final : public store::Store {
 public:
  explicit FakeStore(const Clock& clock) : arrivals_(clock) {}

  struct Row {
    std::string series;  ///< Labels::to_string()
    model::TimestampMs t = 0;
    double value = 0;
    model::TimestampMs start = 0;  ///< of floats
    bool operator==(const Row&) const = default;
  };
  /// Float rows (histograms with their sum as the value, then exemplars), in the order they came.
  std::vector<Row> floats() const { return copy(&State::floats); }
  std::vector<Row> histograms() const { return copy(&State::histograms); }
  std::vector<Row> exemplar_rows() const { return copy(&State::exemplars); }
  std::vector<store::MetadataRow> metadata_rows() const { return copy(&State::metadata); }
  store::ReplicaPolicy last_policy() const { return copy(&State::policy); }
  size_t batches() const { return copy(&State::batches); }
  size_t resolved() const { return copy(&State::resolved); }

  /// Every batch from now on fails.
  void fail_with(std::optional<Error> error);
  /// Rows at this time are refused as out of order.
  void refuse_time(model::TimestampMs t);
  /// Rows at this time are refused because a past day waits to be merged.
  void put_off_time(std::optional<model::TimestampMs> t);
  /// All handles given out so far are stale from now on.
  void make_handles_stale();
  /// Batches wait until release().
  void hold();
  void release();

  store::SeriesHandle resolve(const model::Labels& labels) override;
  bool knows(const model::Labels& labels) const override;
  void append(store::WriteBatch batch, Done done) override;
  std::vector<store::FamilyMetadata> metadata(std::string_view) const override { return {}; }
  store::Arrivals& arrivals() override { return arrivals_; }
  Result<std::shared_ptr<store::KeyedTable>> table(const std::string& name) override;
  Status flush() override { return {}; }
  Status delete_series(std::vector<model::Matchers>, model::TimeRange) override { return {}; }
  Status clean_tombstones() override { return {}; }
  void set_cluster_retention(std::vector<store::ClusterRetention>) override {}
  uint64_t active_series() const override { return 0; }
  model::TimeRange extent() const override { return {}; }
  Status close() override { return {}; }

  Result<std::unique_ptr<model::Selection>> select(const model::Matchers&,
                                                   model::TimeRange) const override;
  Result<std::vector<std::string>> label_names(const model::Matchers&,
                                               model::TimeRange) const override;
  Result<std::vector<std::string>> label_values(std::string_view, const model::Matchers&,
                                                model::TimeRange) const override;

 private:
  struct State {
    std::vector<std::string> series;
    uint32_t generation = 1;
    std::map<std::string, model::TimestampMs> newest;  // of the float rows of a series
    std::vector<Row> floats;
    std::vector<Row> histograms;
    std::vector<Row> exemplars;
    std::vector<store::MetadataRow> metadata;
    store::ReplicaPolicy policy = store::ReplicaPolicy::SingleSender;
    size_t batches = 0;
    size_t resolved = 0;
    std::optional<Error> failure;
    std::optional<model::TimestampMs> refused_time;
    std::optional<model::TimestampMs> put_off_time;
    bool held = false;
    std::deque<std::pair<store::WriteBatch, Done>> waiting;
    std::map<std::string, std::shared_ptr<store::KeyedTable>> tables;
  };
  template <class T>
  T copy(T State::*member) const {
    return state_.with([member](const State& state) { return state.*member; });
  }
  static Result<store::WriteOutcome> apply(State& state, store::WriteBatch& batch);

  store::Arrivals arrivals_;
  Guarded<State> state_;
};

}  // namespace aerie::ingest::test
