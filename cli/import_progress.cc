#include "cli/import_progress.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <utility>

namespace aerie::cli {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::string_view kTitle = "aeriectl import, progress";

std::string short_time(double seconds) {
  if (seconds < 100) return fmt::format("{:.0f} s", seconds);
  if (seconds < 6000) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

}  // namespace

Result<ImportProgress> ImportProgress::open(std::string file, std::string job) {
  ImportProgress progress(std::move(file), std::move(job));
  std::ifstream in(progress.file_);
  if (!in) return progress;  // the first run
  std::string title;
  std::string of;
  std::getline(in, title);
  std::getline(in, of);
  if (title != kTitle || !(in >> progress.done_before_)) {
    return Error(ErrorCode::InvalidArgument,
                 progress.file_ + " is no progress file of aeriectl; name another with --progress");
  }
  if (of != progress.job_) {
    return Error(ErrorCode::InvalidArgument,
                 fmt::format("{} belongs to another import ({}); remove it to begin anew, or name "
                             "another with --progress",
                             progress.file_, of));
  }
  return progress;
}

Status ImportProgress::advance(model::TimestampMs done_before) {
  done_before_ = done_before;
  const std::string next = file_ + ".new";
  {
    std::ofstream out(next, std::ios::trunc);
    out << kTitle << '\n' << job_ << '\n' << done_before_ << '\n';
    if (!out.flush()) return Error(ErrorCode::IoError, "cannot write " + next);
  }
  std::error_code failed;
  std::filesystem::rename(next, file_, failed);
  if (failed) return Error(ErrorCode::IoError, "cannot replace " + file_ + ": " + failed.message());
  return {};
}

void ImportProgress::remove() const {
  std::error_code ignored;  // a file that stays is refused or resumed by the next run
  std::filesystem::remove(file_, ignored);
}

ProgressLine::ProgressLine()
    : terminal_(isatty(STDERR_FILENO) == 1), began_(SteadyClock::now()), shown_(began_) {}

void ProgressLine::show(uint64_t done, uint64_t total, uint64_t samples) {
  const auto now = SteadyClock::now();
  if (now - shown_ < (terminal_ ? std::chrono::milliseconds(200) : std::chrono::seconds(10)))
    return;
  shown_ = now;
  const double seconds = std::chrono::duration<double>(now - began_).count();
  const double share = total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total);
  const std::string left =
      share > 0 ? short_time(seconds / share - seconds) + " left" : std::string("just begun");
  std::fprintf(stderr, "%s%5.1f %%, %llu samples, %.0f samples/s, %s%s", terminal_ ? "\r" : "",
               share * 100, static_cast<unsigned long long>(samples),
               static_cast<double>(samples) / seconds, left.c_str(), terminal_ ? "   " : "\n");
}

void ProgressLine::end() const {
  if (terminal_) std::fputc('\n', stderr);
}

}  // namespace aerie::cli
