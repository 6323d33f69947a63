#include <cstdio>

#include "alerting/rule_file.h"
#include "cli/commands.h"
#include "server/config.h"

namespace aerie::cli {
namespace {

constexpr int kFileIsWrong = 3;

int complain(const Error& error) {
  std::fprintf(stderr, "  FAILED:\n%s\n", error.message().c_str());
  return kFileIsWrong;
}

}  // namespace

int run_check_config(const std::vector<std::string>& files) {
  int exit_code = 0;
  for (const std::string& file : files) {
    std::printf("Checking %s\n", file.c_str());
    const auto config = server::load_config(file);
    if (!config) {
      exit_code = complain(config.error());
      continue;
    }
    std::printf("  SUCCESS: %zu clusters, %zu rule file patterns, %zu Alertmanagers\n",
                config->clusters.size(), config->rule_files.size(), config->alertmanagers.size());
    if (const int rules = run_check_rules(config->rule_files); rules != 0) exit_code = rules;
  }
  return exit_code;
}

int run_check_rules(const std::vector<std::string>& files) {
  int exit_code = 0;
  for (const std::string& file : files) {
    std::printf("Checking %s\n", file.c_str());
    const auto reports = alerting::check_rule_files({file});
    if (!reports) {
      exit_code = complain(reports.error());
      continue;
    }
    for (const alerting::RuleFileReport& report : *reports) {
      std::printf("  SUCCESS: %s: %zu rules in %zu groups\n", report.file.c_str(), report.rules,
                  report.groups);
    }
  }
  return exit_code;
}

}  // namespace aerie::cli
