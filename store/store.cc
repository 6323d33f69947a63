#include "store/store.h"

#include <future>
#include <utility>

namespace aerie::store {

Result<WriteOutcome> Store::append_and_wait(WriteBatch batch) {
  auto promise = std::make_shared<std::promise<Result<WriteOutcome>>>();
  auto answer = promise->get_future();
  append(std::move(batch),
         [promise](Result<WriteOutcome> outcome) { promise->set_value(std::move(outcome)); });
  return answer.get();
}

Status Store::write_own(const std::vector<OwnSample>& samples) {
  std::vector<const OwnSample*> left;
  left.reserve(samples.size());
  for (const OwnSample& sample : samples) left.push_back(&sample);
  // A handle goes stale only if its series leaves the head between resolve() and append(); more
  // than a few times is a bug.
  for (int attempt = 0; attempt < 5 && !left.empty(); ++attempt) {
    WriteBatch batch;
    batch.floats.reserve(left.size());
    for (const OwnSample* sample : left)
      batch.floats.push_back({resolve(sample->labels), sample->t, sample->value});
    auto outcome = append_and_wait(std::move(batch));
    if (!outcome) return std::move(outcome).error().with("write own series");
    std::vector<const OwnSample*> again;
    for (const uint32_t index : outcome->stale_handles) again.push_back(left[index]);
    left.swap(again);
  }
  if (!left.empty())
    return Error(ErrorCode::Internal, "series keep leaving the head while they are written");
  return {};
}

Result<Store::SnapshotInfo> Store::snapshot(SnapshotScope) {
  return Error(ErrorCode::Unavailable, "this store has no files");
}

Result<CheckReport> Store::check(const CheckPace&) {
  return Error(ErrorCode::Unavailable, "this store has no files");
}

}  // namespace aerie::store
