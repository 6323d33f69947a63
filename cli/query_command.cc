#include <fmt/core.h>

#include <boost/json/serialize.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "cli/commands.h"
#include "cli/table.h"
#include "model/labels.h"
#include "model/time.h"

namespace aerie::cli {
namespace {

int fail(const Error& error) {
  std::fprintf(stderr, "aeriectl: %s\n", error.message().c_str());
  return 1;
}

std::string series_name(const boost::json::value& element) {
  std::vector<model::LabelView> pairs;
  const boost::json::value* metric = element.get_object().if_contains("metric");
  if (metric != nullptr && metric->is_object()) {
    for (const auto& [name, value] : metric->get_object()) {
      if (value.is_string())
        pairs.push_back(
            {{name.data(), name.size()}, {value.get_string().data(), value.get_string().size()}});
    }
  }
  return model::Labels::from_pairs(std::move(pairs)).to_string();
}

/// `value @[timestamp]` of a [time, "value"] pair.
std::string point(const boost::json::value& pair) {
  if (!pair.is_array() || pair.get_array().size() != 2) return "?";
  const boost::json::array& parts = pair.get_array();
  const std::string value =
      parts[1].is_string() ? std::string(parts[1].get_string()) : boost::json::serialize(parts[1]);
  boost::json::error_code error;
  const double seconds = parts[0].to_number<double>(error);
  return fmt::format("{} @[{:.3f}]", value, error ? 0.0 : seconds);
}

void print_result(const boost::json::value& data) {
  const std::string type = text_of(data, "resultType");
  if (type == "scalar" || type == "string") {
    std::printf("%s: %s\n", type.c_str(), point(data.at("result")).c_str());
    return;
  }
  for (const boost::json::value& element : items_of(data, "result")) {
    if (!element.is_object()) continue;
    const std::string name = series_name(element);
    if (type == "vector") {
      const boost::json::value* value = element.get_object().if_contains("value");
      if (value == nullptr) value = element.get_object().if_contains("histogram");
      std::printf("%s => %s\n", name.c_str(), value == nullptr ? "?" : point(*value).c_str());
      continue;
    }
    std::printf("%s =>\n", name.c_str());
    for (const char* member : {"values", "histograms"}) {
      for (const boost::json::value& pair : items_of(element, member))
        std::printf("%s\n", point(pair).c_str());
    }
  }
}

int print(const Result<boost::json::value>& data, const OutputOptions& output) {
  if (!data) return fail(data.error());
  if (output.format == "json") {
    std::printf("%s\n", boost::json::serialize(*data).c_str());
  } else {
    print_result(*data);
  }
  return 0;
}

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Result<Query> range_parameters(const RangeQuery& query) {
  double end = now_seconds();
  if (!query.end.empty()) {
    const auto parsed = model::parse_timestamp(query.end);
    if (!parsed) return Error(parsed.error()).with("--end");
    end = static_cast<double>(*parsed) / 1000;
  }
  double start = end - 3600;
  if (!query.start.empty()) {
    const auto parsed = model::parse_timestamp(query.start);
    if (!parsed) return Error(parsed.error()).with("--start");
    start = static_cast<double>(*parsed) / 1000;
  }
  const std::string step = query.step.empty()
                               ? fmt::format("{}", std::max(std::floor((end - start) / 250), 15.0))
                               : query.step;
  return Query{{"query", query.expression},
               {"start", fmt::format("{:.3f}", start)},
               {"end", fmt::format("{:.3f}", end)},
               {"step", step}};
}

/// One line for a part of the plan, indented by its depth, then its parts.
void add_part(const boost::json::value& part, size_t depth, Table& table) {
  if (!part.is_object()) return;
  const auto shown = [&](const char* member) {
    const boost::json::value* value = part.get_object().if_contains(member);
    return value == nullptr ? std::string() : boost::json::serialize(*value);
  };
  const boost::json::value* seconds = part.get_object().if_contains("seconds");
  boost::json::error_code error;
  const double took = seconds == nullptr ? 0 : seconds->to_number<double>(error);
  table.add({std::string(2 * depth, ' ') + text_of(part, "expression"), text_of(part, "kind"),
             shown("steps"), shown("series"), shown("samples"), shown("samplesRead"),
             fmt::format("{:.6f}", took)});
  for (const boost::json::value& below : items_of(part, "parts")) add_part(below, depth + 1, table);
}

}  // namespace

int run_instant_query(Api& api, const InstantQuery& query, const OutputOptions& output) {
  Query parameters = {{"query", query.expression}};
  if (!query.time.empty()) parameters.emplace_back("time", query.time);
  return print(api.get("/api/v1/query", parameters), output);
}

int run_range_query(Api& api, const RangeQuery& query, const OutputOptions& output) {
  auto parameters = range_parameters(query);
  if (!parameters) return fail(parameters.error());
  return print(api.get("/api/v1/query_range", *parameters), output);
}

int run_explain_query(Api& api, const ExplainQuery& query, const OutputOptions& output) {
  Query parameters = {{"query", query.range.expression}};
  if (!query.time.empty()) parameters.emplace_back("time", query.time);
  const RangeQuery& range = query.range;
  if (!range.start.empty() || !range.end.empty() || !range.step.empty()) {
    auto ranged = range_parameters(range);
    if (!ranged) return fail(ranged.error());
    parameters = std::move(*ranged);
  }
  const auto data = api.get("/api/v1/explain", parameters);
  if (!data) return fail(data.error());
  if (output.format == "json") {
    std::printf("%s\n", boost::json::serialize(*data).c_str());
    return 0;
  }
  const boost::json::value* plan =
      data->is_object() ? data->get_object().if_contains("plan") : nullptr;
  if (plan == nullptr || !plan->is_object()) return 0;
  Table table({"EXPRESSION", "KIND", "STEPS", "SERIES", "SAMPLES", "READ", "SECONDS"});
  add_part(*plan, 0, table);
  std::printf("%s", table.render(output.headers).c_str());
  return 0;
}

}  // namespace aerie::cli
