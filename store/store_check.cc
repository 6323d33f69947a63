#include <fmt/format.h>

#include <utility>

#include "store/check.h"
#include "store/store_folder.h"

namespace aerie::store {

std::string CheckReport::text() const {
  std::string out = fmt::format(
      "partitions: {} whole, {} series, {} samples, {} bytes\n"
      "log:        {} files, {} records, {} bytes\n"
      "tables:     {} rows\n",
      partitions, series, samples, bytes, segments, records, log_bytes, rows);
  for (const std::string& problem : problems) out += "PROBLEM: " + problem + "\n";
  out += problems.empty() ? "Everything is as it must be.\n"
                          : fmt::format("{} problems.\n", problems.size());
  return out;
}

Result<CheckReport> check_store(const std::string& path, FileSystem& files) {
  auto folder = StoreFolder::open_existing(path, files);
  if (!folder) return std::move(folder).error();
  CheckReport report;
  if (auto checked = check_log(files, path + "/log", UINT64_MAX, report); !checked)
    return std::move(checked).error();
  PartitionSet::Options options;
  options.path = path + "/db";
  options.read_only = true;
  auto partitions = PartitionSet::open(options);
  if (!partitions) {
    if (partitions.error().code() == ErrorCode::AlreadyExists) return std::move(partitions).error();
    report.problems.push_back(partitions.error().message());
    return report;
  }
  if (auto checked = (*partitions)->check({}, report); !checked) return std::move(checked).error();
  return report;
}

}  // namespace aerie::store
