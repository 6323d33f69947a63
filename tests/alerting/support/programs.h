#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace aerie::alerting::testing {

/// A program of Debian's packages (promtool, prometheus-alertmanager …), found by AERIE_PROGRAMS or
/// under build/third_party. Says loudly that the test is skipped when there is none.
std::optional<std::string> find_program(const std::string& name);

struct Outcome {
  int exit_code = -1;
  std::string output;  ///< standard output and error together
};
/// Runs to the end. `arguments[0]` is the program.
Outcome run_program(const std::vector<std::string>& arguments);

/// A child that lives as long as the object; ended by SIGTERM, waited for.
class Child {
 public:
  Child(const std::vector<std::string>& arguments, const std::string& log_file,
        const std::string& working_folder);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  bool running() const;

 private:
  int pid_ = -1;
};

/// A fresh folder, removed with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }
  /// Writes a file inside and returns its path.
  std::string write(const std::string& name, const std::string& content) const;

 private:
  std::string path_;
};

/// Debian's Alertmanager on a loopback port; it may not be up yet when the constructor returns.
class RealAlertmanager {
 public:
  /// Nothing if the program is absent (said loudly).
  static std::unique_ptr<RealAlertmanager> start();
  const std::string& url() const { return url_; }

 private:
  RealAlertmanager() = default;
  TemporaryFolder folder_;
  std::string url_;
  std::unique_ptr<Child> child_;
};

/// A loopback port that was free a moment ago, for servers that cannot choose one themselves.
int free_port();

}  // namespace aerie::alerting::testing
