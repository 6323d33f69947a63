#include <unistd.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <string>

#include "cli/import_job.h"
#include "cli/import_progress.h"
#include "cli/protobuf_fields.h"
#include "cli/remote_read.h"
#include "cli/write_request.h"
#include "model/matcher.h"

namespace aerie::cli {
namespace {

// The example of docs/remote-write.md's sender: one series, one sample.
std::string one_series() {
  WriteRequest request;
  request.begin_series({{"__name__", "up"}, {"job", "x"}});
  request.add_sample(1000, 1.5);
  return request.finish();
}

TEST_CASE("a write request has the bytes of the protobuf schema") {
  const std::string bytes = one_series();
  const std::string expected(
      "\x0a\x28"
      "\x0a\x0e\x0a\x08__name__\x12\x02up"
      "\x0a\x08\x0a\x03job\x12\x01x"
      "\x12\x0c\x09\x00\x00\x00\x00\x00\x00\xf8\x3f\x10\xe8\x07",
      42);
  CHECK(bytes == expected);
}

TEST_CASE("what remote read answers is forwarded as it came") {
  std::string response;
  put_bytes(response, 1, one_series());  // a QueryResult has the same fields as a WriteRequest
  const auto series = series_of_read_response(response);
  REQUIRE(series);
  REQUIRE(series->size() == 1);
  const auto found = inspect_series(series->front());
  REQUIRE(found);
  CHECK(found->samples == 1);
  CHECK(found->label_names == std::vector<std::string_view>{"__name__", "job"});

  const model::Labels extra{{"cluster", "gondor"}, {"job", "never"}};
  WriteRequest request;
  request.add_encoded_series(series->front(), found->samples,
                             missing_labels(extra, found->label_names));
  CHECK(request.samples() == 1);
  const std::string bytes = request.finish();
  CHECK(bytes.find("gondor") != std::string::npos);
  CHECK(bytes.find("never") == std::string::npos);
}

TEST_CASE("a broken answer is an error, wherever it is cut") {
  std::string response;
  put_bytes(response, 1, one_series());
  for (size_t length = 1; length < response.size(); ++length) {
    const auto series = series_of_read_response(std::string_view(response).substr(0, length));
    INFO("cut to " << length);
    CHECK_FALSE(series);
  }
  CHECK_FALSE(inspect_series("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
}

TEST_CASE("a read request names the matchers and both ends") {
  const model::Matchers matchers = {model::Matcher::equal("job", "x")};
  CHECK(encode_read_request(matchers, {1000, 2000}) ==
        std::string("\x0a\x12\x08\xe8\x07\x10\xd0\x0f\x1a\x0a\x08\x00\x12\x03job\x1a\x01x", 20));
}

TEST_CASE("an import goes on where it stopped, and only its own") {
  const auto file =
      std::filesystem::temp_directory_path() / ("aerie-progress-" + std::to_string(getpid()));
  std::filesystem::remove(file);
  {
    auto progress = ImportProgress::open(file, "a to b");
    REQUIRE(progress);
    CHECK_FALSE(progress->resumed());
    REQUIRE(progress->advance(86'400'000));
  }
  auto again = ImportProgress::open(file, "a to b");
  REQUIRE(again);
  CHECK(again->done_before() == 86'400'000);
  const auto other = ImportProgress::open(file, "a to c");
  REQUIRE_FALSE(other);
  CHECK(other.error().message().find("belongs to another import (a to b)") != std::string::npos);
  std::ofstream(file) << "something else\n";
  CHECK_FALSE(ImportProgress::open(file, "a to b"));
  again->remove();
  CHECK_FALSE(std::filesystem::exists(file));
}

}  // namespace
}  // namespace aerie::cli
