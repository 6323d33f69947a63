#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace aerie::promqltest {

/// Cases that are known to fail, each with its reason: lines `file.test:123 why`, `#` begins a
/// comment. The list only shrinks: a case of it that passes, or that does not exist, fails the run.
class ExpectedFailures {
 public:
  /// Errors: IoError, InvalidArgument with the line.
  static Result<ExpectedFailures> read(const std::string& path);

  bool contains(const std::string& file, int line) const {
    return reasons_.count({file, line}) > 0;
  }
  /// Marks as met; what was never marked is named by unmet().
  void mark(const std::string& file, int line) { reasons_[{file, line}].second = true; }
  /// Entries of the files given that were not met.
  std::vector<std::string> unmet(const std::vector<std::string>& files) const;

 private:
  std::map<std::pair<std::string, int>, std::pair<std::string, bool>> reasons_;
};

}  // namespace aerie::promqltest
