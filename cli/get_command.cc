#include <fmt/core.h>

#include <boost/json/serialize.hpp>
#include <chrono>
#include <cstdio>

#include "cli/commands.h"
#include "cli/table.h"

namespace aerie::cli {
namespace {

int fail(const Error& error) {
  std::fprintf(stderr, "aeriectl: %s\n", error.message().c_str());
  return 1;
}

std::string count_of(const boost::json::value& object, std::string_view name) {
  const std::string text = text_of(object, name);
  return text.empty() ? "?" : text;
}

/// YAML of a JSON value: enough of the language to be read by eyes and by YAML parsers.
void append_yaml(std::string& out, const boost::json::value& value, size_t indent) {
  const std::string margin(indent, ' ');
  if (value.is_object() && !value.get_object().empty()) {
    for (const auto& [name, member] : value.get_object()) {
      const bool nested = (member.is_object() && !member.get_object().empty()) ||
                          (member.is_array() && !member.get_array().empty());
      out += margin + std::string(name) + ":" + (nested ? "\n" : " ");
      append_yaml(out, member, nested ? indent + 2 : 0);
    }
  } else if (value.is_array() && !value.get_array().empty()) {
    for (const boost::json::value& item : value.get_array()) {
      std::string inner;
      append_yaml(inner, item, indent + 2);
      if (inner.size() > indent + 2 && item.is_object()) inner.replace(indent, 2, "- ");
      out += item.is_object() ? inner : margin + "- " + inner;
    }
  } else {
    out += boost::json::serialize(value) + "\n";
  }
}

/// Prints json and yaml as they are; false if a table is wanted.
bool print_structured(const boost::json::value& data, const OutputOptions& output) {
  if (output.format == "json") {
    std::printf("%s\n", boost::json::serialize(data).c_str());
    return true;
  }
  if (output.format == "yaml") {
    std::string text;
    append_yaml(text, data, 0);
    std::fputs(text.c_str(), stdout);
    return true;
  }
  return false;
}

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string since(const boost::json::value& row) {
  const double seconds = number_of(row, "since", -1);
  return seconds <= 0 ? "-" : short_age(now_seconds() - seconds);
}

}  // namespace

int run_get_clusters(Api& api, const OutputOptions& output) {
  const auto data = api.get("/api/v1/clusters", {});
  if (!data) return fail(data.error());
  if (print_structured(*data, output)) return 0;
  Table table({"CLUSTER", "ENVIRONMENT", "ZONE", "STATE", "LAST-ARRIVAL", "COMPLETE", "PROGRESSING",
               "STALLED", "DEGRADED", "UNKNOWN"});
  for (const boost::json::value& row : items_of(*data, "clusters")) {
    if (output.format == "name") {
      std::printf("cluster/%s\n", text_of(row, "cluster").c_str());
      continue;
    }
    const boost::json::value* found =
        row.is_object() ? row.get_object().if_contains("deployments") : nullptr;
    const boost::json::value phases = found == nullptr ? boost::json::value() : *found;
    const auto count = [&](const char* phase) {
      return fmt::format("{}", number_of(phases, phase, 0));
    };
    table.add({text_of(row, "cluster"), text_of(row, "environment"), text_of(row, "zone"),
               text_of(row, "state"), short_age(number_of(row, "lastArrivalSeconds", -1)),
               count("Complete"), count("Progressing"), count("Stalled"), count("Degraded"),
               count("Unknown")});
  }
  if (output.format == "name") return 0;
  if (table.empty()) {
    std::fprintf(stderr,
                 "No cluster has sent anything yet. Point a Prometheus at %s/api/v1/write.\n",
                 api.base_url().c_str());
    return 0;
  }
  std::fputs(table.render(output.headers).c_str(), stdout);
  return 0;
}

int run_get_deployments(Api& api, const DeploymentFilter& filter, const OutputOptions& output) {
  Query query;
  if (!filter.cluster.empty()) query.emplace_back("cluster", filter.cluster);
  if (!filter.deployment_namespace.empty())
    query.emplace_back("namespace", filter.deployment_namespace);
  if (!filter.phase.empty()) query.emplace_back("phase", filter.phase);
  const auto data = api.get("/api/v1/deployments", query);
  if (!data) return fail(data.error());
  if (print_structured(*data, output)) return 0;
  std::vector<std::string> header = {"CLUSTER", "NAMESPACE", "NAME",  "DESIRED", "UPDATED",
                                     "READY",   "AVAILABLE", "PHASE", "REASON",  "SINCE"};
  const bool wide = output.format == "wide";
  if (wide) header.insert(header.end(), {"DATA-AGE", "MESSAGE"});
  Table table(header);
  for (const boost::json::value& row : items_of(*data, "deployments")) {
    const std::string phase = text_of(row, "phase");
    if (filter.unhealthy && (phase == "Complete" || phase == "Idle")) continue;
    if (!filter.name.empty() && text_of(row, "name") != filter.name) continue;
    if (output.format == "name") {
      std::printf("deployment/%s/%s/%s\n", text_of(row, "cluster").c_str(),
                  text_of(row, "namespace").c_str(), text_of(row, "name").c_str());
      continue;
    }
    std::vector<std::string> cells = {text_of(row, "cluster"),    text_of(row, "namespace"),
                                      text_of(row, "name"),       count_of(row, "desired"),
                                      count_of(row, "updated"),   count_of(row, "ready"),
                                      count_of(row, "available"), phase,
                                      text_of(row, "reason"),     since(row)};
    if (wide) {
      cells.push_back(short_age(number_of(row, "evidenceAgeSeconds", -1)));
      cells.push_back(text_of(row, "message"));
    }
    table.add(std::move(cells));
  }
  if (output.format == "name") return 0;
  if (table.empty()) {
    std::fprintf(stderr, "No deployments found%s.\n",
                 query.empty() && !filter.unhealthy ? "" : " for this filter");
    return 0;
  }
  std::fputs(table.render(output.headers).c_str(), stdout);
  return 0;
}

}  // namespace aerie::cli
