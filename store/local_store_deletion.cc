#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"
#include "store/local_store.h"

/// Deleting series: docs/decisions/0101.
namespace aerie::store {

Status LocalStore::open_deletions() {
  auto table = partitions_->table("deletions");
  if (!table) return std::move(table).error();
  uint64_t given_away = 0;
  for (const PartitionInfo& info : partitions_->live())
    given_away = std::max(given_away, info.erasures);
  auto deletions = Deletions::open(std::move(*table), given_away);
  if (!deletions) return std::move(deletions).error();
  deletions_ = std::move(*deletions);
  erased_ =
      std::make_unique<ErasedNow>(*deletions_, clock_, [this] { changes_.note_everything(); });
  head_.expect_deletions(deletions_->last_number());
  return {};
}

Status LocalStore::delete_series(std::vector<model::Matchers> selectors, model::TimeRange range) {
  if (selectors.empty() || range.first > range.last) return {};
  Erasure wanted;
  wanted.selectors = std::move(selectors);
  wanted.range = range;
  std::vector<SeriesIndex::Match> hidden;
  // Between two batches there is one moment at which it happens.
  const auto carry_out = [&, this]() -> Status {
    wanted.number = deletions_->take_number();
    wanted.log_end = log_->committed_end();
    head_.cut_for(wanted);
    if (Status added = deletions_->add(wanted); !added) return added;
    reached(options_.on_step, "erase-durable");
    head_.carry_out(wanted);
    changes_.note_everything();
    hidden = head_.hidden(wanted, *deletions_->current());
    return {};
  };
  // On the sealer's thread nothing is being sealed while its series are forgotten.
  return sealer_->between_cycles([&, this]() -> Status {
    if (Status done = applier_->run(carry_out); !done) return done;
    reached(options_.on_step, "erase-carried-out");
    AERIE_LOG(Info, "series deleted", {"number", wanted.number},
              {"selectors", wanted.selectors.size()}, {"log_end", wanted.log_end});
    auto gone = left_nowhere(wanted, std::move(hidden));
    if (!gone) return std::move(gone).error();
    return applier_->run([&, this]() -> Status {
      head_.forget(wanted, *gone);
      return {};
    });
  });
}

/// Those of `hidden` that no partition holds either. What was before the deleted range still counts
/// for the order of the next sample.
Result<std::vector<SeriesHandle>> LocalStore::left_nowhere(
    const Erasure& deletion, std::vector<SeriesIndex::Match> hidden) const {
  std::set<model::Labels> elsewhere;
  if (!hidden.empty() && deletion.range.first > model::kMinTimestamp) {
    const model::TimeRange earlier{model::kMinTimestamp, deletion.range.first - 1};
    const auto pinned = partitions_->pin(erased_->current());
    for (const model::Matchers& selector : deletion.selectors) {
      auto selection = pinned->select(selector, earlier);
      if (!selection) return std::move(selection).error();
      for (size_t i = 0; i < (*selection)->size(); ++i) elsewhere.insert((*selection)->labels(i));
    }
  }
  std::vector<SeriesHandle> out;
  for (const SeriesIndex::Match& one : hidden)
    if (!elsewhere.contains(one.labels)) out.push_back(one.handle);
  return out;
}

/// After a replay: what the deletions in it left.
Status LocalStore::forget_deleted() {
  const auto deletions = deletions_->current();
  for (const Erasure& one : deletions->all()) {
    auto gone = left_nowhere(one, head_.hidden(one, *deletions));
    if (!gone) return std::move(gone).error();
    head_.forget(one, *gone);
  }
  return {};
}

Status LocalStore::clean_tombstones() {
  if (Status flushed = sealer_->flush(); !flushed) return flushed;
  return merger_->run(Merger::Work::CarryOut);
}

/// No partition needs the deletion: it is forgotten when no head block and no replay does.
Status LocalStore::carried_out(const Erasure& deletion) {
  if (log_->begin() < deletion.log_end) return {};
  const auto blocks = head_.blocks();
  for (const auto& block : *blocks) {
    if (block->erasures() < deletion.number && block->extent().overlaps(deletion.range)) return {};
  }
  reached(options_.on_step, "erase-forgotten");
  return deletions_->forget(deletion.number);
}

}  // namespace aerie::store
