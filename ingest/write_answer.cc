#include "ingest/write_answer.h"

#include <fmt/core.h>

#include <numeric>
#include <protozero/pbf_writer.hpp>

namespace aerie::ingest {
namespace {

constexpr size_t kLongestBody = 1024;

}  // namespace

uint64_t WriteTotals::refused_total() const {
  return std::accumulate(refused.begin(), refused.end(), uint64_t{0});
}

std::string refusal_summary(const RefusalCounts& refused, const std::string& first) {
  std::string reasons;
  uint64_t total = 0;
  for (size_t i = 0; i < kRefusals; ++i) {
    if (refused[i] == 0) continue;
    total += refused[i];
    reasons += fmt::format("{}{}={}", reasons.empty() ? "" : ", ",
                           refusal_name(static_cast<Refusal>(i)), refused[i]);
  }
  std::string text = fmt::format("{} samples refused ({}), the others are stored; first: {}", total,
                                 reasons, first);
  if (text.size() > kLongestBody) {
    text.resize(kLongestBody - 3);
    // Not in the middle of a UTF-8 sequence.
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80)
      text.pop_back();
    if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xc0) text.pop_back();
    text += "...";
  }
  return text;
}

namespace {

// An ExportMetricsServiceResponse.
http::Response otlp_answer(const WriteTotals& totals) {
  http::Response response;
  response.headers.set("Content-Type", "application/x-protobuf");
  if (totals.refused_total() == 0) return response;
  std::string partial;
  protozero::pbf_writer fields(partial);
  fields.add_int64(1, static_cast<int64_t>(totals.refused_total()));
  fields.add_string(2, refusal_summary(totals.refused, totals.first_refusal));
  protozero::pbf_writer(response.body).add_message(1, partial);
  return response;
}

}  // namespace

http::Response write_answer(const WriteTotals& totals, WireFormat format, int refused_status) {
  if (format == WireFormat::Otlp) return otlp_answer(totals);
  const bool refused = totals.refused_total() > 0;
  http::Response response =
      refused ? http::Response::text(refused_status,
                                     refusal_summary(totals.refused, totals.first_refusal))
              : http::Response::no_content();
  if (!refused && format == WireFormat::RemoteWrite1) return response;
  response.headers.set("X-Prometheus-Remote-Write-Samples-Written",
                       std::to_string(totals.floats_written));
  response.headers.set("X-Prometheus-Remote-Write-Histograms-Written",
                       std::to_string(totals.histograms_written));
  response.headers.set("X-Prometheus-Remote-Write-Exemplars-Written",
                       std::to_string(totals.exemplars_written));
  return response;
}

}  // namespace aerie::ingest
