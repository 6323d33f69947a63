#include <fmt/core.h>

#include <boost/json/serialize.hpp>
#include <chrono>
#include <cstdio>
#include <map>
#include <thread>

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

std::string identity_of(const boost::json::value& row) {
  return text_of(row, "cluster") + "/" + text_of(row, "namespace") + "/" + text_of(row, "kind") +
         "/" + text_of(row, "name");
}

/// What makes a row worth printing again.
std::string state_of(const boost::json::value& row) {
  std::string state;
  for (const char* field : {"phase", "reason", "desired", "updated", "ready", "available"})
    state += text_of(row, field) + "|";
  return state;
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

namespace {

Query query_of(const DeploymentFilter& filter) {
  Query query;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) query.emplace_back(name, value);
  };
  add("cluster", filter.cluster);
  add("namespace", filter.deployment_namespace);
  add("phase", filter.phase);
  add("kind", filter.kind);
  add("reason", filter.reason);
  add("name", filter.name);
  return query;
}

std::vector<std::string> deployment_header(bool wide) {
  std::vector<std::string> header = {"CLUSTER", "NAMESPACE", "NAME",  "DESIRED", "UPDATED",
                                     "READY",   "AVAILABLE", "PHASE", "REASON",  "SINCE"};
  if (wide) header.insert(header.end(), {"KIND", "DATA-AGE", "MESSAGE"});
  return header;
}

std::vector<std::string> deployment_cells(const boost::json::value& row, bool wide) {
  std::vector<std::string> cells = {text_of(row, "cluster"),    text_of(row, "namespace"),
                                    text_of(row, "name"),       count_of(row, "desired"),
                                    count_of(row, "updated"),   count_of(row, "ready"),
                                    count_of(row, "available"), text_of(row, "phase"),
                                    text_of(row, "reason"),     since(row)};
  if (wide) {
    cells.push_back(text_of(row, "kind"));
    cells.push_back(short_age(number_of(row, "evidenceAgeSeconds", -1)));
    cells.push_back(text_of(row, "message"));
  }
  return cells;
}

bool is_wanted(const DeploymentFilter& filter, const boost::json::value& row) {
  const std::string phase = text_of(row, "phase");
  return !filter.unhealthy || (phase != "Complete" && phase != "Idle");
}

void print_names(const boost::json::value& data, const DeploymentFilter& filter) {
  for (const boost::json::value& row : items_of(data, "deployments")) {
    if (!is_wanted(filter, row)) continue;
    std::printf("deployment/%s/%s/%s\n", text_of(row, "cluster").c_str(),
                text_of(row, "namespace").c_str(), text_of(row, "name").c_str());
  }
}

/// Prints rows whose phase, reason or numbers are others than when they were last printed.
void follow_deployments(Api& api, const DeploymentFilter& filter, const OutputOptions& output,
                        std::map<std::string, std::string> printed) {
  const bool wide = output.format == "wide";
  while (true) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const auto data = api.get("/api/v1/deployments", query_of(filter));
    if (!data) continue;
    Table table(deployment_header(wide));
    for (const boost::json::value& row : items_of(*data, "deployments")) {
      if (!is_wanted(filter, row)) continue;
      std::string& before = printed[identity_of(row)];
      if (before == state_of(row)) continue;
      before = state_of(row);
      table.add(deployment_cells(row, wide));
    }
    if (!table.empty()) std::fputs(table.render(false).c_str(), stdout);
    std::fflush(stdout);
  }
}

}  // namespace

int run_get_deployments(Api& api, const DeploymentFilter& filter, const OutputOptions& output) {
  const Query query = query_of(filter);
  const auto data = api.get("/api/v1/deployments", query);
  if (!data) return fail(data.error());
  if (print_structured(*data, output)) return 0;
  if (output.format == "name") {
    print_names(*data, filter);
    return 0;
  }
  const bool wide = output.format == "wide";
  Table table(deployment_header(wide));
  std::map<std::string, std::string> printed;
  for (const boost::json::value& row : items_of(*data, "deployments")) {
    if (!is_wanted(filter, row)) continue;
    printed[identity_of(row)] = state_of(row);
    table.add(deployment_cells(row, wide));
  }
  if (table.empty()) {
    std::fprintf(stderr, "No deployments found%s.\n",
                 query.empty() && !filter.unhealthy ? "" : " for this filter");
  } else {
    std::fputs(table.render(output.headers).c_str(), stdout);
  }
  std::fflush(stdout);
  if (filter.watch) follow_deployments(api, filter, output, std::move(printed));
  return 0;
}

int run_get_events(Api& api, const EventFilter& filter, const OutputOptions& output) {
  Query query;
  if (!filter.cluster.empty()) query.emplace_back("cluster", filter.cluster);
  if (!filter.event_namespace.empty()) query.emplace_back("namespace", filter.event_namespace);
  if (!filter.name.empty()) query.emplace_back("name", filter.name);
  const auto data = api.get("/api/v1/events", query);
  if (!data) return fail(data.error());
  if (print_structured(*data, output)) return 0;
  Table table({"AGE", "CLUSTER", "NAMESPACE", "NAME", "EVENT", "REASON", "MESSAGE"});
  for (const boost::json::value& row : items_of(*data, "events")) {
    table.add({short_age(now_seconds() - number_of(row, "at", 0)), text_of(row, "cluster"),
               text_of(row, "namespace"), text_of(row, "name"), text_of(row, "event"),
               text_of(row, "reason"), text_of(row, "message")});
  }
  if (table.empty()) {
    std::fprintf(stderr, "Nothing has happened%s.\n", query.empty() ? "" : " for this filter");
    return 0;
  }
  std::fputs(table.render(output.headers).c_str(), stdout);
  return 0;
}

}  // namespace aerie::cli
