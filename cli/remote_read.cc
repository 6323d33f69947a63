#include "cli/remote_read.h"

#include "cli/protobuf_fields.h"

namespace aerie::cli {
namespace {

// Field numbers of prometheus/prompb/{remote,types}.proto.
constexpr uint32_t kResponseResults = 1;
constexpr uint32_t kResultSeries = 1;
constexpr uint32_t kSeriesLabels = 1;
constexpr uint32_t kSeriesSamples = 2;
constexpr uint32_t kSeriesHistograms = 4;
constexpr uint32_t kLabelName = 1;

Error broken() {
  return Error(ErrorCode::Corruption, "the remote-read answer is not a prometheus.ReadResponse");
}

uint64_t type_number(model::MatchType type) {
  switch (type) {
    case model::MatchType::Equal: return 0;
    case model::MatchType::NotEqual: return 1;
    case model::MatchType::Regex: return 2;
    case model::MatchType::NotRegex: return 3;
  }
  return 0;
}

}  // namespace

std::string encode_read_request(const model::Matchers& matchers, model::TimeRange range) {
  std::string query;
  put_number(query, 1, static_cast<uint64_t>(range.first));
  put_number(query, 2, static_cast<uint64_t>(range.last));
  for (const model::Matcher& matcher : matchers) {
    std::string encoded;
    put_number(encoded, 1, type_number(matcher.type()));
    put_bytes(encoded, 2, matcher.name());
    put_bytes(encoded, 3, matcher.value());
    put_bytes(query, 3, encoded);
  }
  std::string request;
  put_bytes(request, 1, query);
  return request;  // no accepted_response_types: plain samples
}

Result<std::vector<std::string_view>> series_of_read_response(std::string_view response) {
  std::vector<std::string_view> series;
  ProtobufFields results(response);
  while (const auto result = results.next()) {
    if (result->number != kResponseResults) continue;
    ProtobufFields fields(result->bytes);
    while (const auto field = fields.next()) {
      if (field->number == kResultSeries) series.push_back(field->bytes);
    }
    if (!fields.ok()) return broken();
  }
  if (!results.ok()) return broken();
  return series;
}

Result<EncodedSeries> inspect_series(std::string_view series) {
  EncodedSeries found;
  ProtobufFields fields(series);
  while (const auto field = fields.next()) {
    if (field->number == kSeriesSamples || field->number == kSeriesHistograms) ++found.samples;
    if (field->number != kSeriesLabels) continue;
    ProtobufFields label(field->bytes);
    while (const auto part = label.next()) {
      if (part->number == kLabelName) found.label_names.push_back(part->bytes);
    }
    if (!label.ok()) return broken();
  }
  if (!fields.ok()) return broken();
  return found;
}

}  // namespace aerie::cli
