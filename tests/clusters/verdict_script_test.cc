// Every script in tests/clusters/scripts holds.

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/clusters/support/script.h"
#include "tests/source_folder.h"

using aerie::clusters::testing::Script;

namespace {
std::string slurp(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}
}  // namespace

TEST_CASE("verdict scripts") {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(aerie::tests::source_folder() +
                                                               "/tests/clusters/scripts")) {
    if (entry.path().extension() == ".test") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  REQUIRE(files.size() >= 15);
  for (const auto& file : files) {
    Script script;
    const auto failures = script.run(file.filename().string(), slurp(file));
    for (const auto& failure : failures) UNSCOPED_INFO(failure);
    CHECK(failures.empty());
  }
}

TEST_CASE("a wrong expectation is seen") {
  Script script;
  const auto failures =
      script.run("wrong",
                 "deployment spec=0 replicas=0 ready=0 available=0 updated=0 generation=1 "
                 "observed=1\nexpect Complete\n");
  REQUIRE(failures.size() == 1);
  CHECK(failures[0] == "wrong:2: want Complete, got Idle ()");
}
