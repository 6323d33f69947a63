#include "ingest/request_decoder.h"

#include <fmt/core.h>

#include <protozero/pbf_reader.hpp>
#include <utility>

namespace aerie::ingest {

Error past_limit(const char* what) {
  return Error(ErrorCode::InvalidArgument,
               fmt::format("more {} than one request may hold; lower max_samples_per_send", what));
}

Error malformed(std::string_view schema, const char* what) {
  return Error(ErrorCode::InvalidArgument, fmt::format("not {}: {}", schema, what));
}

Result<std::vector<HistogramOrRefused>> decode_histograms(std::string_view message, uint32_t field,
                                                          std::string_view schema) {
  std::vector<HistogramOrRefused> histograms;
  try {
    protozero::pbf_reader reader(message.data(), message.size());
    while (reader.next(field, protozero::pbf_wire_type::length_delimited)) {
      if (histograms.size() >= RequestLimits::kHistograms) return past_limit("histograms");
      const protozero::data_view view = reader.get_view();
      auto parsed = parse_histogram({view.data(), view.size()});
      if (!parsed) return std::move(parsed).error();
      histograms.push_back(std::move(*parsed));
    }
  } catch (const protozero::exception& broken) {
    return malformed(schema, broken.what());
  }
  return histograms;
}

Status RequestDecoder::status() const {
  if (past_limit_ != nullptr) return past_limit(past_limit_);
  return {};
}

}  // namespace aerie::ingest
