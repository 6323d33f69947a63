#include "ingest/write_v2_decoder.h"

#include <catch2/catch.hpp>
#include <protozero/pbf_writer.hpp>
#include <string>

#include "tests/ingest/support/write_v2.h"

using namespace aerie;
using namespace aerie::ingest;
using namespace aerie::ingest::test;

namespace {

std::string bytes_of(std::initializer_list<int> values) {
  std::string bytes;
  for (const int value : values) bytes.push_back(static_cast<char>(value));
  return bytes;
}

std::string text_of(const WriteV2Decoder& decoder, uint32_t series) {
  const auto labels = decoder.labels(series);
  return labels ? model::Labels::from_pairs(*labels).to_string() : labels.error().message();
}

// A request with these symbols and one series made by `fill`.
template <class Fill>
std::string raw_request(std::initializer_list<const char*> symbols, Fill fill) {
  std::string request;
  protozero::pbf_writer writer(request);
  for (const char* symbol : symbols) writer.add_string(4, symbol);
  std::string series;
  protozero::pbf_writer message(series);
  fill(message);
  writer.add_message(5, series);
  return request;
}

}  // namespace

TEST_CASE("golden bytes of 2.0: one series, one sample with a start") {
  // symbols "", "__name__", "up"; {__name__="up"} 1 @ 1234 since 1000.
  const std::string symbols = bytes_of(
      {0x22, 0x00, 0x22, 0x08, '_', '_', 'n', 'a', 'm', 'e', '_', '_', 0x22, 0x02, 'u', 'p'});
  const std::string sample = bytes_of(
      {0x12, 0x0f, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 0xd2, 0x09, 0x18, 0xe8, 0x07});
  const std::string series = bytes_of({0x0a, 0x02, 0x01, 0x02}) + sample;
  const std::string body = symbols + bytes_of({0x2a, static_cast<int>(series.size())}) + series;
  CHECK(body == write_v2_request(
                    {{.labels = {{"__name__", "up"}}, .samples = {{1234, 1.0}}, .start = 1000}}));

  WriteV2Decoder decoder;
  REQUIRE(decoder.decode(body).ok());
  REQUIRE(decoder.series().size() == 1);
  CHECK(text_of(decoder, 0) == "up");
  REQUIRE(decoder.samples().size() == 1);
  CHECK(decoder.samples()[0].t == 1234);
  CHECK(decoder.samples()[0].value == 1.0);
  CHECK(decoder.starts() == std::vector<model::TimestampMs>{1000});
  CHECK(decoder.metadata().empty());
}

TEST_CASE("every layout of a 2.0 request means the same") {
  const std::vector<V2Series> series = {
      {.labels = {{"__name__", "latency_bucket"}, {"le", "1"}, {"empty", ""}},
       .samples = {{5, 1}, {6, 2}},
       .exemplars = {{{{"trace_id", "abc"}}, 0.5, 7}, {{}, -1, 8}},
       .metadata = TestMetadata{3, "", "How long", "seconds"}},
      {.labels = {{"__name__", "latency_bucket"}, {"le", "2"}},
       .samples = {{5, 1}},
       .metadata = TestMetadata{3, "", "How long", "seconds"},
       .created = 3},
      {.labels = {{"__name__", "native"}}, .histograms = {test_histogram({.sum = 7, .t = 9})}}};
  for (const bool packed : {true, false}) {
    for (const bool symbols_last : {true, false}) {
      for (const bool labels_last : {true, false}) {
        WriteV2Decoder decoder;
        const std::string body = write_v2_request(
            series, {.packed = packed, .symbols_last = symbols_last, .labels_last = labels_last});
        REQUIRE(decoder.decode(body).ok());
        REQUIRE(decoder.series().size() == 3);
        CHECK(text_of(decoder, 0) == "latency_bucket{le=\"1\"}");
        CHECK(decoder.series()[0].samples == 2);
        CHECK(decoder.starts() == std::vector<model::TimestampMs>{0, 0, 3});
        const auto exemplars = decoder.exemplars(0);
        REQUIRE(exemplars.ok());
        REQUIRE(exemplars->size() == 2);
        CHECK((*exemplars)[0].labels[0] == model::LabelView{"trace_id", "abc"});
        CHECK((*exemplars)[0].t == 7);
        CHECK((*exemplars)[1].labels.empty());
        // Once for the family, not for each of its series.
        REQUIRE(decoder.metadata().size() == 1);
        CHECK(decoder.metadata()[0].metric_family == "latency");
        CHECK(decoder.metadata()[0].help == "How long");
        CHECK(decoder.metadata()[0].unit == "seconds");
        CHECK(decoder.metadata()[0].type == model::MetricType::Histogram);
        const auto histograms = decoder.histograms(2);
        REQUIRE(histograms.ok());
        CHECK(std::get<DecodedHistogram>((*histograms)[0]).histogram->sum == 7);
      }
    }
  }
}

TEST_CASE("the key of a series depends on its labels alone") {
  const auto keys = [](const std::vector<V2Series>& series, uint64_t seed = 1) {
    WriteV2Decoder decoder;
    const std::string body = write_v2_request(series);
    REQUIRE(decoder.decode(body).ok());
    std::vector<SeriesKey> found;
    decoder.series_keys(seed, found);
    return found;
  };
  const Pairs labels = {{"__name__", "up"}, {"a", "1"}, {"b", "2"}};
  const Pairs turned = {{"b", "2"}, {"__name__", "up"}, {"a", "1"}};
  const auto one = keys({{.labels = labels}});
  CHECK(keys({{.labels = {{"other", "x"}}}, {.labels = turned}})[1] == one[0]);
  CHECK(keys({{.labels = {{"__name__", "up"}, {"a", "1"}, {"b", "2"}, {"c", ""}}}})[0] == one[0]);
  CHECK(keys({{.labels = labels}}, 2)[0] != one[0]);
  // Values exchanged, names exchanged with values, one label twice.
  for (const Pairs& other :
       {Pairs{{"__name__", "up"}, {"a", "2"}, {"b", "1"}},
        Pairs{{"up", "__name__"}, {"a", "1"}, {"b", "2"}},
        Pairs{{"__name__", "up"}, {"1", "a"}, {"b", "2"}}, Pairs{{"__name__", "up"}, {"a", "1"}},
        Pairs{{"__name__", "up"}, {"a", "1"}, {"b", "2"}, {"b", "2"}}}) {
    CHECK(keys({{.labels = other}})[0] != one[0]);
  }
}

TEST_CASE("bad references are the defect of their series alone") {
  WriteV2Decoder decoder;
  const auto defect = [&](const std::string& body) {
    REQUIRE(decoder.decode(body).ok());
    return decoder.series().at(0).defect != nullptr;
  };
  using Writer = protozero::pbf_writer;
  const auto with_references = [](std::vector<uint32_t> numbers) {
    return
        [numbers](Writer& series) { series.add_packed_uint32(1, numbers.begin(), numbers.end()); };
  };
  CHECK(!defect(raw_request({"", "__name__", "up"}, with_references({1, 2}))));
  CHECK(defect(raw_request({"", "__name__", "up"}, with_references({1, 3}))));
  CHECK(defect(raw_request({"", "__name__", "up"}, with_references({1, 4'000'000'000}))));
  CHECK(defect(raw_request({"", "__name__", "up"}, with_references({1}))));
  CHECK(defect(raw_request({}, with_references({0, 0}))));
  CHECK(defect(raw_request({""}, with_references(std::vector<uint32_t>(10'000)))));
  const auto with_help = [](uint32_t help) {
    return [help](Writer& series) {
      std::string metadata;
      Writer(metadata).add_uint32(3, help);
      series.add_message(5, metadata);
    };
  };
  CHECK(!defect(raw_request({"", "x"}, with_help(1))));
  const std::string bad_help = raw_request({"", "x"}, with_help(2));  // outlives what is decoded
  CHECK(defect(bad_help));
  std::vector<SeriesKey> keys;
  decoder.series_keys(1, keys);
  CHECK(keys.size() == 1);

  const std::string bad_exemplar = raw_request({"", "__name__", "up"}, [](Writer& series) {
    for (const uint32_t reference : {2u, 7u}) {
      std::string exemplar;
      Writer writer(exemplar);
      writer.add_uint32(1, 1);
      writer.add_uint32(1, reference);
      series.add_message(4, exemplar);
    }
  });
  REQUIRE(!defect(bad_exemplar));
  const auto exemplars = decoder.exemplars(0);
  REQUIRE(exemplars.ok());
  CHECK((*exemplars)[0].defect == nullptr);
  CHECK((*exemplars)[1].defect != nullptr);
}

TEST_CASE("broken and endless requests of 2.0") {
  const std::string good = write_v2_request(
      {{.labels = {{"__name__", "up"}, {"a", "b"}}, .samples = {{1234, 1.0}}, .start = 7}});
  WriteV2Decoder decoder;
  size_t refused = 0;
  for (size_t length = 1; length < good.size(); ++length)
    refused += decoder.decode(std::string_view(good).substr(0, length)).ok() ? 0 : 1;
  CHECK(refused > good.size() / 2);  // between two symbols it is only short of something
  std::string symbols;
  for (int i = 0; i < 1'000'001; ++i) symbols += bytes_of({0x22, 0x00});
  CHECK(!decoder.decode(symbols).ok());
  std::string series;
  for (int i = 0; i < 200'001; ++i) series += bytes_of({0x2a, 0x00});
  CHECK(!decoder.decode(series).ok());
  REQUIRE(decoder.decode("").ok());
  CHECK(decoder.series().empty());
}

TEST_CASE("metric families") {
  using model::MetricType;
  CHECK(metric_family_of("x_bucket", MetricType::Histogram) == "x");
  CHECK(metric_family_of("x_sum", MetricType::Summary) == "x");
  CHECK(metric_family_of("x_bucket", MetricType::Summary) == "x_bucket");
  CHECK(metric_family_of("x_gsum", MetricType::GaugeHistogram) == "x");
  CHECK(metric_family_of("x_total", MetricType::Counter) == "x_total");
  CHECK(metric_family_of("_sum", MetricType::Summary) == "_sum");
}
