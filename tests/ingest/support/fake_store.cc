#include "tests/ingest/support/fake_store.h"

#include <algorithm>

namespace aerie::ingest::test {
namespace {

class FakeTable final : public store::KeyedTable {
 public:
  Result<std::optional<std::string>> get(std::string_view key) const override {
    return rows_.with([&](const Rows& rows) -> std::optional<std::string> {
      const auto found = rows.find(std::string(key));
      return found == rows.end() ? std::nullopt : std::optional(found->second);
    });
  }
  Status apply(const std::vector<std::pair<std::string, std::string>>& puts,
               const std::vector<std::string>& removals) override {
    rows_.with([&](Rows& rows) {
      for (const auto& [key, value] : puts) rows[key] = value;
      for (const std::string& key : removals) rows.erase(key);
    });
    return {};
  }
  Result<std::vector<std::pair<std::string, std::string>>> scan(
      std::string_view prefix) const override {
    return rows_.with([&](const Rows& rows) {
      std::vector<std::pair<std::string, std::string>> found;
      for (const auto& [key, value] : rows) {
        if (std::string_view(key).substr(0, prefix.size()) == prefix)
          found.emplace_back(key, value);
      }
      return found;
    });
  }

 private:
  using Rows = std::map<std::string, std::string>;
  Guarded<Rows> rows_;
};

// Of 15 s.
model::DurationMs least_spacing(store::ReplicaPolicy policy) {
  if (policy == store::ReplicaPolicy::UnlabelledPair) return 11'250;
  return policy == store::ReplicaPolicy::ChangeOfLead ? 7'500 : 0;
}

Error unsupported() { return Error(ErrorCode::Internal, "the fake store answers no queries"); }

}  // namespace

void FakeStore::fail_with(std::optional<Error> error) {
  state_.with([&](State& state) { state.failure = std::move(error); });
}

void FakeStore::refuse_time(model::TimestampMs t) {
  state_.with([t](State& state) { state.refused_time = t; });
}

void FakeStore::put_off_time(std::optional<model::TimestampMs> t) {
  state_.with([t](State& state) { state.put_off_time = t; });
}

void FakeStore::make_handles_stale() {
  state_.with([](State& state) {
    ++state.generation;
    state.series.clear();
  });
}

void FakeStore::hold() {
  state_.with([](State& state) { state.held = true; });
}

void FakeStore::release() {
  auto waiting = state_.with([](State& state) {
    state.held = false;
    return std::exchange(state.waiting, {});
  });
  for (auto& [batch, done] : waiting) append(std::move(batch), std::move(done));
}

store::SeriesHandle FakeStore::resolve(const model::Labels& labels) {
  return state_.with([&](State& state) -> store::SeriesHandle {
    ++state.resolved;
    const std::string text = labels.to_string();
    const auto found = std::find(state.series.begin(), state.series.end(), text);
    const auto slot = static_cast<uint32_t>(found - state.series.begin());
    if (found == state.series.end()) state.series.push_back(text);
    return {slot, state.generation};
  });
}

bool FakeStore::knows(const model::Labels& labels) const {
  return state_.with([&](const State& state) {
    const auto& all = state.series;
    return std::find(all.begin(), all.end(), labels.to_string()) != all.end();
  });
}

void FakeStore::append(store::WriteBatch batch, Done done) {
  auto outcome = state_.with([&](State& state) -> std::optional<Result<store::WriteOutcome>> {
    if (state.held) {
      state.waiting.emplace_back(std::move(batch), std::move(done));
      return std::nullopt;
    }
    ++state.batches;
    if (state.failure) return Result<store::WriteOutcome>(*state.failure);
    return apply(state, batch);
  });
  if (outcome) done(std::move(*outcome));
}

Result<store::WriteOutcome> FakeStore::apply(State& state, store::WriteBatch& batch) {
  store::WriteOutcome outcome;
  state.policy = batch.replicas;
  uint32_t index = 0;
  const auto keep = [&](store::SeriesHandle series, model::TimestampMs t, double value,
                        std::vector<Row>& rows) {
    const uint32_t row = index++;
    if (series.generation != state.generation) {
      outcome.stale_handles.push_back(row);
      return false;
    }
    if (state.refused_time == t) {
      ++outcome.rejected[static_cast<size_t>(store::RejectReason::OutOfOrder)];
      outcome.first_rejection = "out of order sample: " + state.series[series.slot];
      return false;
    }
    if (state.put_off_time == t) {
      outcome.try_later = true;
      ++outcome.rejected[static_cast<size_t>(store::RejectReason::BackfillLimit)];
      outcome.first_rejection = "too many days of the past at once";
      return false;
    }
    rows.push_back({state.series[series.slot], t, value, 0});
    return true;
  };
  for (const auto& row : batch.floats) {
    const model::DurationMs spacing = least_spacing(batch.replicas);
    if (spacing > 0 && row.series.generation == state.generation) {
      const auto newest = state.newest.find(state.series[row.series.slot]);
      if (newest != state.newest.end() && row.t - newest->second < spacing) {
        ++index;
        ++outcome.deduplicated;
        continue;
      }
    }
    if (!keep(row.series, row.t, row.value, state.floats)) continue;
    state.floats.back().start = batch.start_of(static_cast<size_t>(&row - batch.floats.data()));
    ++outcome.floats_written;
    auto& newest = state.newest[state.series[row.series.slot]];
    newest = std::max(newest, row.t);
  }
  for (const auto& row : batch.histograms) {
    outcome.histograms_written +=
        keep(row.series, row.t, row.histogram->sum, state.histograms) ? 1 : 0;
  }
  for (const auto& row : batch.exemplars) {
    if (row.series.generation != state.generation) continue;
    state.exemplars.push_back(
        {state.series[row.series.slot] + row.labels.to_string(), row.t, row.value});
    ++outcome.exemplars_written;
  }
  for (auto& row : batch.metadata) state.metadata.push_back(std::move(row));
  return outcome;
}

Result<std::shared_ptr<store::KeyedTable>> FakeStore::table(const std::string& name) {
  return state_.with([&](State& state) {
    auto& table = state.tables[name];
    if (table == nullptr) table = std::make_shared<FakeTable>();
    return table;
  });
}

Result<std::unique_ptr<model::Selection>> FakeStore::select(const model::Matchers&,
                                                            model::TimeRange) const {
  return unsupported();
}
Result<std::vector<std::string>> FakeStore::label_names(const model::Matchers&,
                                                        model::TimeRange) const {
  return unsupported();
}
Result<std::vector<std::string>> FakeStore::label_values(std::string_view, const model::Matchers&,
                                                         model::TimeRange) const {
  return unsupported();
}

}  // namespace aerie::ingest::test
