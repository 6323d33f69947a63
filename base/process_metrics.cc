#include "base/process_metrics.h"

#include <dirent.h>
#include <fmt/core.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string_view>

namespace aerie {
namespace {

void append_metric(std::string& out, std::string_view name, std::string_view type,
                   std::string_view help, double value) {
  out += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{0} {3}\n", name, help, type, value);
}

uint64_t count_open_files() {
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  uint64_t entries = 0;
  while (readdir(folder) != nullptr) ++entries;
  closedir(folder);
  return entries > 3 ? entries - 3 : 0;  // ".", ".." and the folder itself
}

double boot_time_seconds() {
  std::ifstream file("/proc/stat");
  std::string word;
  while (file >> word) {
    double value = 0;
    if (word == "btime" && file >> value) return value;
  }
  return 0;
}

}  // namespace

std::string process_metrics() {
  std::string out;
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const size_t after_name = line.rfind(')');  // the name may hold anything, so count from its end
  if (after_name == std::string::npos) return out;
  std::istringstream fields(line.substr(after_name + 2));
  // Fields 3 (state) to 24 (rss) of proc(5).
  std::string field[22];
  for (std::string& value : field) fields >> value;
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const double page = static_cast<double>(sysconf(_SC_PAGESIZE));
  const auto number = [&](int position) {
    return std::strtod(field[position - 3].c_str(), nullptr);
  };
  append_metric(out, "process_cpu_seconds_total", "counter", "User and system CPU time spent.",
                (number(14) + number(15)) / ticks);
  append_metric(out, "process_resident_memory_bytes", "gauge", "Resident memory size.",
                number(24) * page);
  append_metric(out, "process_virtual_memory_bytes", "gauge", "Virtual memory size.", number(23));
  append_metric(out, "process_start_time_seconds", "gauge", "Start time since the Unix epoch.",
                boot_time_seconds() + number(22) / ticks);
  append_metric(out, "process_threads", "gauge", "Number of threads.", number(20));
  append_metric(out, "process_open_fds", "gauge", "Number of open file descriptors.",
                static_cast<double>(count_open_files()));
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    append_metric(out, "process_max_fds", "gauge", "Maximum number of open file descriptors.",
                  static_cast<double>(limit.rlim_cur));
  }
  return out;
}

}  // namespace aerie
