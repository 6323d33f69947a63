#include "ingest/write_request_decoder.h"

#include <catch2/catch.hpp>

#include <string>

#include "tests/ingest/support/write_request.h"

using namespace aerie::ingest;
using namespace aerie::ingest::test;

namespace {

std::string bytes_of(std::initializer_list<int> values) {
  std::string bytes;
  for (const int value : values) bytes.push_back(static_cast<char>(value));
  return bytes;
}

}  // namespace

TEST_CASE("golden bytes: one series, one sample") {
  // {__name__="up"} 1 @ 1234, as prompb lays it out.
  const std::string name_label = bytes_of(
      {0x0a, 0x0e, 0x0a, 0x08, '_', '_', 'n', 'a', 'm', 'e', '_', '_', 0x12, 0x02, 'u', 'p'});
  const std::string sample =
      bytes_of({0x12, 0x0c, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 0xd2, 0x09});
  const std::string body =
      bytes_of({0x0a, static_cast<int>(name_label.size() + sample.size())}) + name_label + sample;
  CHECK(body == write_request({{.labels = {{"__name__", "up"}}, .samples = {{1234, 1.0}}}}));

  WriteRequestDecoder decoder;
  REQUIRE(decoder.decode(body).ok());
  REQUIRE(decoder.series().size() == 1);
  CHECK(decoder.series()[0].labels == name_label);
  CHECK(decoder.series()[0].samples == 1);
  REQUIRE(decoder.samples().size() == 1);
  CHECK(decoder.samples()[0].t == 1234);
  CHECK(decoder.samples()[0].value == 1.0);
  const auto labels = parse_labels(decoder.series()[0].labels);
  REQUIRE(labels.ok());
  REQUIRE(labels->size() == 1);
  CHECK((*labels)[0] == aerie::model::LabelView{"__name__", "up"});
}

TEST_CASE("times and values of every size, defaults left out, fields in any order") {
  const std::vector<aerie::model::Sample> samples = {
      {0, 0.0},       {1, -0.0},
      {-1, 1e300},    {INT64_MAX, -1e-300},
      {INT64_MIN, 5}, {1763640000000, aerie::model::stale_marker()}};
  WriteRequestDecoder decoder;
  const std::string body = write_request({{.labels = {{"__name__", "x"}}, .samples = samples}});
  REQUIRE(decoder.decode(body).ok());
  REQUIRE(decoder.samples().size() == samples.size());
  for (size_t i = 0; i < samples.size(); ++i) {
    CHECK(decoder.samples()[i].t == samples[i].t);
    CHECK(std::bit_cast<uint64_t>(decoder.samples()[i].value) ==
          std::bit_cast<uint64_t>(samples[i].value));
  }

  // Time before value, an unknown field, an empty sample.
  const std::string odd_sample =
      bytes_of({0x12, 0x0d, 0x10, 0x07, 0x18, 0x63, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f});
  const std::string series = odd_sample + bytes_of({0x12, 0x00});
  REQUIRE(decoder.decode(bytes_of({0x0a, static_cast<int>(series.size())}) + series).ok());
  REQUIRE(decoder.samples().size() == 2);
  CHECK(decoder.samples()[0].t == 7);
  CHECK(decoder.samples()[0].value == 1.0);
  CHECK(decoder.samples()[1].t == 0);
  CHECK(decoder.samples()[1].value == 0.0);
  CHECK(decoder.series()[0].labels.empty());
}

TEST_CASE("labels that do not lie together are gathered") {
  const std::string a = bytes_of({0x0a, 0x06, 0x0a, 0x01, 'a', 0x12, 0x01, '1'});
  const std::string b = bytes_of({0x0a, 0x06, 0x0a, 0x01, 'b', 0x12, 0x01, '2'});
  const std::string sample = bytes_of({0x12, 0x02, 0x10, 0x07});
  const std::string series = a + sample + b;
  WriteRequestDecoder decoder;
  const std::string body = bytes_of({0x0a, static_cast<int>(series.size())}) + series;
  REQUIRE(decoder.decode(body).ok());
  CHECK(decoder.series()[0].labels == a + b);
  CHECK(decoder.samples().size() == 1);
}

TEST_CASE("the short way over plain series and the general way give the same") {
  const std::string long_value(300, 'v');
  for (const std::string& value : {std::string(), std::string("v"), std::string(100, 'v'),
                                   std::string(122, 'v'), std::string(123, 'v'), long_value}) {
    const TestSeries series{.labels = {{"__name__", "x"}, {"a", value}, {"b", "2"}},
                            .samples = {{1763640000000, 1.5}}};
    const std::string plain = write_request({series});
    // The same with a second sample: not plain.
    TestSeries two = series;
    two.samples.push_back({1763640015000, 2.5});
    WriteRequestDecoder decoder;
    REQUIRE(decoder.decode(plain).ok());
    const std::string labels(decoder.series().at(0).labels);
    REQUIRE(decoder.samples().size() == 1);
    CHECK(decoder.samples()[0].t == 1763640000000);
    CHECK(decoder.samples()[0].value == 1.5);
    const std::string general = write_request({two});
    REQUIRE(decoder.decode(general).ok());
    CHECK(decoder.series().at(0).labels == labels);
    CHECK(decoder.series()[0].samples == 2);
    CHECK(parse_labels(labels)->size() == 3);
  }
}

TEST_CASE("metadata, unknown fields and an empty request") {
  WriteRequestDecoder decoder;
  const std::string body =
      write_request({},
                    {{1, "http_requests_total", "Requests\nall", "requests"}, {99, "x", "", ""}}) +
      bytes_of({0x12, 0x01, 0x00, 0x78, 0x05});
  REQUIRE(decoder.decode(body).ok());
  REQUIRE(decoder.metadata().size() == 2);
  CHECK(decoder.metadata()[0].type == aerie::model::MetricType::Counter);
  CHECK(decoder.metadata()[0].metric_family == "http_requests_total");
  CHECK(decoder.metadata()[0].help == "Requests\nall");
  CHECK(decoder.metadata()[0].unit == "requests");
  CHECK(decoder.metadata()[1].type == aerie::model::MetricType::Unknown);
  REQUIRE(decoder.decode("").ok());
  CHECK(decoder.series().empty());
  CHECK(decoder.metadata().empty());
}

TEST_CASE("exemplars") {
  const TestSeries series{
      .labels = {{"__name__", "x"}},
      .samples = {{5, 1}},
      .histograms = {},
      .exemplars = {test_exemplar({{"trace_id", "abc"}}, 0.5, 7), test_exemplar({}, -1, 8)}};
  const std::string body = write_request({series});
  WriteRequestDecoder decoder;
  REQUIRE(decoder.decode(body).ok());
  CHECK(decoder.series()[0].has_exemplars);
  CHECK(!decoder.series()[0].has_histograms);
  const auto exemplars = decoder.exemplars(0);
  REQUIRE(exemplars.ok());
  REQUIRE(exemplars->size() == 2);
  CHECK((*exemplars)[0].labels[0] == aerie::model::LabelView{"trace_id", "abc"});
  CHECK((*exemplars)[0].value == 0.5);
  CHECK((*exemplars)[0].t == 7);
  CHECK((*exemplars)[1].labels.empty());
}

TEST_CASE("broken protobuf is refused as a whole") {
  const std::string good =
      write_request({{.labels = {{"__name__", "up"}}, .samples = {{1234, 1.0}}}});
  WriteRequestDecoder decoder;
  for (size_t length = 1; length < good.size(); ++length) {
    const auto status = decoder.decode(std::string_view(good).substr(0, length));
    if (status.ok()) FAIL("cut at " << length);
  }
  for (const char first : {'0', '\xff'}) {
    std::string corrupt = good;
    corrupt[0] = first;
    CHECK(!decoder.decode(corrupt).ok());
  }
}

TEST_CASE("what takes two bytes on the wire and a hundred in memory is bounded") {
  const auto repeated = [](const std::string& element, size_t times) {
    std::string all;
    for (size_t i = 0; i < times; ++i) all += element;
    return all;
  };
  const auto message = [](int tag, const std::string& content) {
    std::string bytes(1, static_cast<char>(tag << 3 | 2));
    for (size_t rest = content.size(); bytes.size() == 1 || rest > 0; rest >>= 7)
      bytes.push_back(static_cast<char>((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0)));
    return bytes + content;
  };
  WriteRequestDecoder decoder;
  const std::string empty_series = message(1, "");
  CHECK(decoder.decode(repeated(empty_series, 200'000)).ok());
  CHECK(!decoder.decode(repeated(empty_series, 200'001)).ok());
  CHECK(!decoder.decode(message(1, repeated(message(2, ""), 1'000'001))).ok());
  CHECK(!decoder.decode(repeated(message(3, ""), 100'001)).ok());
  // The decoder's views are into the body.
  const std::string labels = message(1, repeated(message(1, ""), 5'000));
  CHECK(decoder.decode(labels).ok());
  CHECK(!decoder.labels(0).ok());
  const std::string exemplars = message(1, repeated(message(3, ""), 100'001));
  CHECK(decoder.decode(exemplars).ok());
  CHECK(!decoder.exemplars(0).ok());
  const std::string histograms = message(1, repeated(message(4, ""), 100'001));
  CHECK(decoder.decode(histograms).ok());
  CHECK(!decoder.histograms(0).ok());
}

TEST_CASE("of a part of a body the whole series at its beginning are found") {
  const std::string body =
      write_request({{.labels = {{"__name__", "a"}}, .samples = {{1, 1}, {2, 2}}},
                     {.labels = {{"__name__", "b"}}, .samples = {{3, 3}}}},
                    {{1, "a", "help", ""}});
  WriteRequestDecoder whole;
  REQUIRE(whole.decode(body).ok());
  WriteRequestDecoder part;
  size_t most = 0;
  for (size_t length = 0; length <= body.size(); ++length) {
    part.decode_beginning(std::string_view(body).substr(0, length));
    REQUIRE(part.series().size() >= most);
    most = part.series().size();
    for (size_t i = 0; i < most; ++i) CHECK(part.series()[i].labels == whole.series()[i].labels);
  }
  CHECK(most == 2);
  CHECK(part.samples().size() == 3);
  part.decode_beginning("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
  CHECK(part.series().empty());
}
