#include "tests/promql/expected_failures.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <vector>

namespace aerie::promqltest {

Result<ExpectedFailures> ExpectedFailures::read(const std::string& path) {
  ExpectedFailures out;
  std::ifstream file(path);
  if (!file) return Error(ErrorCode::IoError, "cannot read " + path);
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.empty() || line[0] == '#') continue;
    const size_t colon = line.find(':');
    const size_t space = line.find(' ');
    int at = 0;
    if (colon != std::string::npos && space != std::string::npos && colon < space)
      std::from_chars(line.data() + colon + 1, line.data() + space, at);
    if (at == 0) {
      return Error(ErrorCode::InvalidArgument,
                   fmt::format("{}:{}: expected `file.test:123 why`", path, number));
    }
    out.reasons_[{line.substr(0, colon), at}] = {line.substr(space + 1), false};
  }
  return out;
}

std::vector<std::string> ExpectedFailures::unmet(const std::vector<std::string>& files) const {
  std::vector<std::string> out;
  for (const auto& [place, reason] : reasons_) {
    if (reason.second || std::find(files.begin(), files.end(), place.first) == files.end())
      continue;
    out.push_back(fmt::format("{}:{}", place.first, place.second));
  }
  return out;
}

}  // namespace aerie::promqltest
