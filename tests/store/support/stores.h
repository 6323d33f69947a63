#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "store/local_store.h"
#include "tests/store/support/partitions.h"

namespace aerie::store::testing {

inline constexpr model::TimestampMs kNow = 1'700'000'000'000;

/// A store in a fresh folder with a clock that stands still; reopen() closes and opens it again.
class StoreFixture {
 public:
  StoreFixture();
  explicit StoreFixture(FileSystem& files);

  LocalStore& store() { return *store_; }
  void reopen();
  /// Destroys the store without close(); the folder's lock is free again.
  Status reopen_after(const std::function<void()>& between);
  void close() { store_.reset(); }
  Status try_open();

  WriteOutcome write(const model::Labels& labels, model::TimestampMs t, double value);
  WriteOutcome write(WriteBatch batch) { return must(store_->append_and_wait(std::move(batch))); }
  FloatRow row(const model::Labels& labels, model::TimestampMs t, double value) {
    return {store_->resolve(labels), t, value};
  }
  /// `labels: t=value t=value` per series, in the order of the selection.
  std::vector<std::string> read(const model::Matchers& matchers = {}, model::TimeRange range = {}) {
    return read_selection(*must(store_->select(matchers, range)), range);
  }
  static std::vector<std::string> read_selection(const model::Selection& selection,
                                                 model::TimeRange range = {});

  StoreOptions options;
  ManualClock clock{kNow};

 private:
  TempFolder folder_;
  PosixFileSystem posix_;
  FileSystem& files_;
  std::unique_ptr<MetricRegistry> metrics_;
  std::unique_ptr<LocalStore> store_;
};

/// `1`, `0.1`, `NaN`, `stale`: enough to tell values apart bit by bit.
std::string print_value(double value);

}  // namespace aerie::store::testing
