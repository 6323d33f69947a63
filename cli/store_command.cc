#include <cstdio>
#include <string>

#include "cli/commands.h"
#include "store/check.h"
#include "store/file_system.h"

namespace aerie::cli {
namespace {

constexpr int kDamaged = 3;

int failed(const Error& error) {
  std::fprintf(stderr, "error: %s\n", error.message().c_str());
  return 1;
}

}  // namespace

int run_snapshot(Api& api, const std::string& skip_head) {
  const auto data = api.post("/api/v1/admin/tsdb/snapshot", {{"skip_head", skip_head}});
  if (!data) return failed(data.error());
  std::printf("snapshots/%s below the storage path; start aerie on it to restore\n",
              text_of(*data, "name").c_str());
  return 0;
}

int run_check_store(const std::string& path) {
  std::printf("Checking %s\n", path.c_str());
  store::PosixFileSystem files;
  const auto report = store::check_store(path, files);
  if (!report) {
    if (report.error().code() == ErrorCode::AlreadyExists)
      std::fprintf(stderr, "A running aerie checks itself: aeriectl check running\n");
    return failed(report.error());
  }
  std::fputs(report->text().c_str(), stdout);
  return report->sound() ? 0 : kDamaged;
}

int run_check_running(Api& api) {
  const auto data = api.post("/api/v1/admin/tsdb/check", {});
  if (!data) return failed(data.error());
  std::fputs(text_of(*data, "text").c_str(), stdout);
  return text_of(*data, "sound") == "true" ? 0 : kDamaged;
}

}  // namespace aerie::cli
