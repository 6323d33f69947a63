#include "tests/promql/store_storage.h"

#include <stdlib.h>

#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/metrics.h"
#include "store/file_system.h"
#include "store/store.h"

namespace aerie::promqltest {
namespace {

class StoreStorage final : public Storage {
 public:
  explicit StoreStorage(bool seal) : seal_(seal) {}
  ~StoreStorage() override {
    store_.reset();
    std::error_code ignored;  // a folder left in /tmp is no failure of the engine
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
  }

  Status open() {
    std::string pattern = (std::filesystem::temp_directory_path() / "promqltest-XXXXXX").string();
    if (!mkdtemp(pattern.data())) return Error(ErrorCode::IoError, "cannot make " + pattern);
    folder_ = pattern;
    store::StoreOptions options;
    options.path = folder_ + "/data";
    options.retention = 0;
    options.sync = store::SyncMode::Off;
    options.future_limit = 0;
    options.background_seal = false;
    auto opened = store::Store::open(std::move(options), clock_, files_, metrics_);
    if (!opened) return std::move(opened).error();
    store_ = std::move(opened).value();
    return {};
  }

  Status load(const Load& load) override {
    // In time order, as senders write: the store refuses what is older than the newest of its
    // series.
    std::map<model::TimestampMs, store::WriteBatch> batches;
    for (const auto& series : series_of(load)) {
      model::TimestampMs t = 0;
      for (const auto& value : series.values) {
        if (value.histogram) {
          batches[t].histograms.push_back(
              {store_->resolve(series.labels), t, value.histogram, value.start_at(t)});
        } else if (!value.omitted) {
          batches[t].floats.push_back({store_->resolve(series.labels), t, value.value});
          batches[t].float_starts.push_back(value.start_at(t));
        }
        t += load.interval;
      }
    }
    for (auto& [t, batch] : batches) {
      auto outcome = store_->append_and_wait(std::move(batch));
      if (!outcome) return std::move(outcome).error();
      if (outcome->rejected_total() > 0)
        return Error(ErrorCode::Execution, outcome->first_rejection);
    }
    return seal_ ? store_->flush() : Status();
  }

  const model::SampleSource& source() const override { return *store_; }

 private:
  const bool seal_;
  ManualClock clock_{24LL * 3600 * 1000};
  store::PosixFileSystem files_;
  MetricRegistry metrics_;
  std::string folder_;
  std::unique_ptr<store::Store> store_;
};

}  // namespace

Result<std::unique_ptr<Storage>> make_store_storage(bool seal) {
  auto storage = std::make_unique<StoreStorage>(seal);
  if (auto status = storage->open(); !status) return std::move(status).error();
  return std::unique_ptr<Storage>(std::move(storage));
}

}  // namespace aerie::promqltest
