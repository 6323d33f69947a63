#include "cli/workload_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <map>
#include <set>

#include "cli/api.h"
#include "cli/table.h"

namespace aerie::cli {

namespace {

std::string number_or_unknown(const boost::json::value& row, std::string_view name) {
  const std::string text = text_of(row, name);
  return text.empty() ? "?" : text;
}

std::string age(double at, double now) { return at <= 0 ? "-" : short_age(now - at); }

std::string indented(const std::string& text, std::string_view margin) {
  std::string out;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size() - 1);
    out += margin;
    out += text.substr(at, end - at + 1);
    at = end + 1;
  }
  return out;
}

std::string clusters_table(const boost::json::value& workload, double now) {
  Table table({"CLUSTER", "DESIRED", "SPEC", "UPDATED", "READY", "AVAILABLE", "PHASE", "REASON",
               "SINCE", "AS-OF"});
  for (const boost::json::value& row : items_of(workload, "clusters")) {
    table.add({text_of(row, "cluster"), number_or_unknown(row, "desired"),
               number_or_unknown(row, "spec"), number_or_unknown(row, "updated"),
               number_or_unknown(row, "ready"), number_or_unknown(row, "available"),
               text_of(row, "phase"), text_of(row, "reason"), age(number_of(row, "since", -1), now),
               short_age(number_of(row, "evidenceAgeSeconds", -1))});
  }
  return indented(table.render(true), "  ");
}

std::string causes_text(const boost::json::value& workload) {
  std::string out;
  for (const boost::json::value& row : items_of(workload, "clusters")) {
    for (const boost::json::value& cause : items_of(row, "causes")) {
      out += fmt::format("  {}: {} ({}): {}\n", text_of(row, "cluster"), text_of(cause, "reason"),
                         text_of(cause, "count"), text_of(cause, "message"));
    }
    const std::string message = text_of(row, "message");
    if (items_of(row, "causes").empty() && !message.empty())
      out += fmt::format("  {}: {}\n", text_of(row, "cluster"), message);
    for (const boost::json::value& warning : items_of(row, "warnings")) {
      if (warning.is_string())
        out += fmt::format("  {}: warning: {}\n", text_of(row, "cluster"),
                           std::string_view(warning.get_string()));
    }
  }
  return out;
}

std::string drift_text(const boost::json::value& workload) {
  std::string out;
  for (const boost::json::value& drift : items_of(workload, "drift")) {
    out += fmt::format("  {}: {} {}, most have {}\n", text_of(drift, "cluster"),
                       text_of(drift, "field"), text_of(drift, "own"), text_of(drift, "most"));
  }
  return out;
}

std::string events_table(const boost::json::value& timeline, double now) {
  Table table({"AGE", "CLUSTER", "EVENT", "REASON", "MESSAGE"});
  const auto& events = items_of(timeline, "events");
  const size_t most = 20;
  for (size_t i = events.size() > most ? events.size() - most : 0; i < events.size(); ++i) {
    table.add({age(number_of(events[i], "at", -1), now), text_of(events[i], "cluster"),
               text_of(events[i], "event"), text_of(events[i], "reason"),
               text_of(events[i], "message")});
  }
  return table.empty() ? "" : indented(table.render(true), "  ");
}

void append_section(std::string& out, std::string_view title, const std::string& body) {
  out += body.empty() ? fmt::format("{}:  <none>\n", title) : fmt::format("{}:\n{}", title, body);
}

}  // namespace

std::string describe_workload(const boost::json::value& workload,
                              const boost::json::value& timeline, double now) {
  const auto line = [&](std::string_view label, const std::string& value) {
    return fmt::format("{:<14}{}\n", fmt::format("{}:", label), value);
  };
  std::string out = line("Name", text_of(workload, "name"));
  out += line("Namespace", text_of(workload, "namespace"));
  out += line("Kind", text_of(workload, "kind"));
  out += line("Phase", text_of(workload, "phase"));
  if (!text_of(workload, "reason").empty()) out += line("Reason", text_of(workload, "reason"));
  out += line("Replicas", fmt::format("{} desired | {} created | {} ready | {} unknown",
                                      number_or_unknown(workload, "desiredReplicas"),
                                      number_or_unknown(workload, "createdReplicas"),
                                      number_or_unknown(workload, "readyReplicas"),
                                      number_or_unknown(workload, "unknownReplicas")));
  append_section(out, "Clusters", clusters_table(workload, now));
  append_section(out, "Causes", causes_text(workload));
  append_section(out, "Drift", drift_text(workload));
  append_section(out, "Events", events_table(timeline, now));
  return out;
}

RolloutProgress rollout_progress(const boost::json::value& workload,
                                 const std::vector<std::string>& clusters) {
  const std::set<std::string> wanted(clusters.begin(), clusters.end());
  std::set<std::string> missing = wanted;
  std::vector<std::string> broken;
  std::vector<std::string> waiting;
  size_t total = 0;
  for (const boost::json::value& row : items_of(workload, "clusters")) {
    const std::string cluster = text_of(row, "cluster");
    if (!wanted.empty() && !wanted.contains(cluster)) continue;
    missing.erase(cluster);
    ++total;
    const std::string phase = text_of(row, "phase");
    const std::string reason = text_of(row, "reason");
    const std::string text =
        fmt::format("{}: {}{}{}", cluster, phase, reason.empty() ? "" : " ", reason);
    if (phase == "Stalled" || phase == "Degraded" || phase == "NotPropagated") {
      broken.push_back(text);
    } else if (phase != "Complete" && phase != "Idle") {
      waiting.push_back(fmt::format(
          "{} ({} of {} updated, {} available)", text, number_or_unknown(row, "updated"),
          number_or_unknown(row, "desired"), number_or_unknown(row, "available")));
    }
  }
  for (const auto& cluster : missing) waiting.push_back(cluster + ": Unknown NotSeen");
  total += missing.size();
  const std::string name = text_of(workload, "name");
  if (!broken.empty()) {
    return {fmt::format("{} \"{}\" is broken in {} of {} clusters: {}", text_of(workload, "kind"),
                        name, broken.size(), total, broken.front()),
            1};
  }
  if (!waiting.empty()) {
    return {fmt::format("Waiting for \"{}\": {} of {} clusters are complete; {}", name,
                        total - waiting.size(), total, waiting.front()),
            std::nullopt};
  }
  return {fmt::format("\"{}\" successfully rolled out in {} cluster{}", name, total,
                      total == 1 ? "" : "s"),
          0};
}

}  // namespace aerie::cli
