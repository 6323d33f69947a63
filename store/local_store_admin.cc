#include <fmt/format.h>

#include <ctime>
#include <filesystem>
#include <random>
#include <utility>

#include "base/log.h"
#include "store/local_store.h"

// What an operator asks of a running store: snapshots and checks.

namespace aerie::store {
namespace {

constexpr std::string_view kUnfinished = ".tmp";

/// `20171210T211224Z-2be650b6d019eb54`, as Prometheus names them.
std::string snapshot_name(model::TimestampMs now) {
  const std::time_t seconds = now / 1000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::random_device random;
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z-{:08x}{:08x}", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, random(),
                     random());
}

/// What an interrupted snapshot left behind.
void remove_unfinished(const std::string& folder) {
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failed)) {
    if (!entry.path().filename().string().ends_with(kUnfinished)) continue;
    std::error_code ignored;
    std::filesystem::remove_all(entry.path(), ignored);
  }
}

}  // namespace

Result<Store::SnapshotInfo> LocalStore::snapshot(SnapshotScope scope) {
  const std::string folder = options_.path + "/snapshots";
  SnapshotInfo info;
  info.name = snapshot_name(clock_.now_ms());
  const std::string unfinished = folder + "/" + info.name + std::string(kUnfinished);
  // On the sealer's thread: nothing is sealed or trimmed meanwhile. Writing goes on.
  auto taken = sealer_->between_cycles([&]() -> Status {
    if (auto made = files_->make_folders(folder); !made) return made;
    remove_unfinished(folder);
    if (auto made = files_->make_folders(unfinished + "/log"); !made) return made;
    if (auto filled = fill_snapshot(unfinished, scope, info); !filled) return filled;
    if (auto renamed = files_->rename(unfinished, folder + "/" + info.name); !renamed)
      return renamed;
    reached(options_.on_step, "snapshot-named");
    return files_->sync_folder(folder);
  });
  if (!taken) {
    std::error_code ignored;
    std::filesystem::remove_all(unfinished, ignored);
    return std::move(taken).error().with("snapshot");
  }
  AERIE_LOG(Info, "snapshot taken", {"folder", folder + "/" + info.name},
            {"position", info.position});
  return info;
}

/// The log first: a partition that is made from it later is not in the snapshot, but one that the
/// snapshot holds covers only what lies before its end.
Status LocalStore::fill_snapshot(const std::string& folder, SnapshotScope scope,
                                 SnapshotInfo& info) {
  info.position = partitions_->sealed_end(0);
  if (scope == SnapshotScope::Everything) {
    auto rolled = applier_->run([&]() -> Status {
      info.position = log_->committed_end();
      return applier_->write_checkpoint();
    });
    if (!rolled) return rolled;
    if (auto linked = log_->link_before(info.position, folder + "/log"); !linked) return linked;
  }
  reached(options_.on_step, "snapshot-log");
  if (auto copied = partitions_->checkpoint(folder + "/db"); !copied) return copied;
  reached(options_.on_step, "snapshot-db");
  // Last, so that without it the folder is nobody's.
  return StoreFolder::mark(folder, *files_);
}

Result<CheckReport> LocalStore::check(const CheckPace& pace) {
  CheckReport report;
  LogPosition durable = 0;
  auto asked = applier_->run([&]() -> Status {
    durable = log_->durable_end();
    return {};
  });
  if (!asked) return std::move(asked).error();
  if (auto checked = check_log(*files_, options_.path + "/log", durable, report); !checked)
    return std::move(checked).error();
  if (auto checked = partitions_->check(pace, report); !checked) return std::move(checked).error();
  return report;
}

}  // namespace aerie::store
