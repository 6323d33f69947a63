// promqltest: runs files of Prometheus's promqltest language against aerie's engine.

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "tests/promql/expected_failures.h"
#include "tests/promql/mutation.h"
#include "tests/promql/runner.h"
#include "tests/promql/store_storage.h"

namespace {

using namespace aerie;
using namespace aerie::promqltest;

struct Arguments {
  std::vector<std::string> paths;
  std::string expected_failures;
  std::string source = "memory";
  bool self_test = false;
  bool list_failures = false;  // in the form of the list of expected failures
};

struct Counts {
  int cases = 0;
  int passed = 0;
  int failed = 0;
  int expected = 0;  // failures that the list names
  int reruns = 0;
  int mutants = 0;
  int mutants_passed = 0;
};

void add(Counts& sum, const Counts& part) {
  sum.cases += part.cases;
  sum.passed += part.passed;
  sum.failed += part.failed;
  sum.expected += part.expected;
  sum.reruns += part.reruns;
  sum.mutants += part.mutants;
  sum.mutants_passed += part.mutants_passed;
}

class FileRun {
 public:
  FileRun(const Arguments& arguments, ExpectedFailures& expected, std::string name)
      : arguments_(arguments),
        expected_(expected),
        name_(std::move(name)),
        runner_([source = arguments.source] {
          return source == "memory" ? Result<std::unique_ptr<Storage>>(make_memory_storage())
                                    : make_store_storage(source == "sealed-store");
        }) {}

  Counts run(const Script& script) {
    check("clear", runner_.clear());
    for (const auto& command : script) {
      if (const auto* load = std::get_if<Load>(&command)) {
        check("load", runner_.load(*load));
      } else if (const auto* eval = std::get_if<Eval>(&command)) {
        run_case(*eval);
      } else {
        check("clear", runner_.clear());
      }
    }
    counts_.reruns = runner_.reruns();
    return counts_;
  }

 private:
  void check(std::string_view what, const Status& status) {
    if (status) return;
    ++counts_.failed;
    fmt::print("{}: {} FAILED: {}\n", name_, what, status.error().message());
  }

  void run_case(const Eval& eval) {
    ++counts_.cases;
    const auto status = runner_.run(eval);
    if (expected_.contains(name_, eval.line)) {
      expected_.mark(name_, eval.line);
      if (!status) {
        ++counts_.expected;
        return;
      }
      ++counts_.failed;
      fmt::print("{}:{}: PASSES NOW, take it out of the list of expected failures\n", name_,
                 eval.line);
      return;
    }
    if (!status) {
      ++counts_.failed;
      if (arguments_.list_failures) {
        fmt::print("{}:{} {}\n", name_, eval.line, status.error().message());
      } else {
        fmt::print("{}:{}: FAILED {}\n    {}\n", name_, eval.line, eval.expr,
                   status.error().message());
      }
      return;
    }
    ++counts_.passed;
    if (arguments_.self_test) run_mutants(eval);
  }

  void run_mutants(const Eval& eval) {
    for (const auto& mutant : mutants_of(eval)) {
      ++counts_.mutants;
      if (!runner_.run(mutant.eval)) continue;
      ++counts_.mutants_passed;
      fmt::print("{}:{}: passes with an altered {}: {}\n", name_, eval.line, mutant.what,
                 eval.expr);
    }
  }

  const Arguments& arguments_;
  ExpectedFailures& expected_;
  const std::string name_;
  Runner runner_;
  Counts counts_;
};

std::vector<std::filesystem::path> files_of(const std::vector<std::string>& paths) {
  std::vector<std::filesystem::path> files;
  for (const auto& path : paths) {
    if (!std::filesystem::is_directory(path)) {
      files.emplace_back(path);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      if (entry.path().extension() == ".test") files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

void print_counts(std::string_view name, const Counts& counts) {
  fmt::print("{:<26} {:>5} cases {:>5} passed {:>4} failed {:>4} expected to fail {:>6} re-runs\n",
             name, counts.cases, counts.passed, counts.failed, counts.expected, counts.reruns);
}

int run(const Arguments& arguments) {
  ExpectedFailures expected;
  if (!arguments.expected_failures.empty()) {
    auto read = ExpectedFailures::read(arguments.expected_failures);
    if (!read) return fmt::print("{}\n", read.error().message()), 2;
    expected = std::move(read).value();
  }
  Counts sum;
  std::vector<std::string> names;
  for (const auto& path : files_of(arguments.paths)) {
    const std::string name = path.filename().string();
    std::ifstream file(path);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto script = parse_script(text);
    if (!script || text.empty()) {
      fmt::print("{}: {}\n", path.string(),
                 script ? std::string("empty or unreadable") : script.error().message());
      return 2;
    }
    const Counts counts = FileRun(arguments, expected, name).run(*script);
    if (!arguments.list_failures) print_counts(name, counts);
    names.push_back(name);
    add(sum, counts);
  }
  if (arguments.list_failures) return 0;
  print_counts("all", sum);
  for (const auto& place : expected.unmet(names)) {
    fmt::print("{}: no such case, take it out of the list of expected failures\n", place);
    ++sum.failed;
  }
  if (!arguments.self_test) return sum.failed == 0 ? 0 : 1;
  const int caught = sum.mutants - sum.mutants_passed;
  fmt::print("self-test: {} of {} altered expectations fail ({:.2f} %)\n", caught, sum.mutants,
             100.0 * caught / std::max(sum.mutants, 1));
  return sum.failed == 0 && caught * 100.0 >= sum.mutants * 99.0 && sum.mutants > 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Runs promqltest files against aerie's PromQL engine.");
  app.add_option("paths", arguments.paths, "files, or folders with *.test")->required();
  app.add_option("--expected-failures", arguments.expected_failures,
                 "list of cases known to fail; one that passes is an error");
  app.add_option("--source", arguments.source, "where the samples are kept")
      ->check(CLI::IsMember({"memory", "store", "sealed-store"}));
  app.add_flag("--self-test", arguments.self_test,
               "alter every expectation in turn; at least 99 % must fail");
  app.add_flag("--list-failures", arguments.list_failures, "only print what fails, as a list");
  CLI11_PARSE(app, argc, argv);
  for (const auto& path : arguments.paths) {
    if (std::filesystem::exists(path)) continue;
    fmt::print("SKIPPED: {} is absent, no case was run\n", path);
    return 0;
  }
  return run(arguments);
}
