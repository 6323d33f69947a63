#include "query/completeness.h"

#include <algorithm>
#include <limits>
#include <map>

#include "http/json_writer.h"
#include "query/result_json.h"

namespace aerie::query {
namespace {

constexpr std::string_view kCluster = "cluster";

/// Stays within the range of times.
int64_t minus(int64_t a, int64_t b) {
  int64_t out = 0;
  if (!__builtin_sub_overflow(a, b, &out)) return out;
  return b > 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
}

/// Times up to which a selector looks, seen from inside of subqueries.
struct Horizon {
  model::TimestampMs start = 0;
  model::TimestampMs end = 0;
};

bool is_own_metric(const VectorSelector& selector) {
  return selector.metric_name.starts_with("aerie_") || selector.metric_name == "ALERTS" ||
         selector.metric_name == "ALERTS_FOR_STATE";
}

bool selects(const VectorSelector& selector, std::string_view cluster) {
  return std::all_of(selector.matchers.begin(), selector.matchers.end(),
                     [&](const model::Matcher& matcher) {
                       return matcher.name() != kCluster || matcher.matches(cluster);
                     });
}

/// Walks over the selectors and keeps, per cluster, the latest time that one of them looks at.
class Selectors {
 public:
  Selectors(Horizon request, const std::vector<store::ClusterArrival>& known)
      : request_(request), known_(known) {}

  void walk(const Expr& expr, model::TimestampMs end) {
    std::visit([&](const auto& node) { visit(node, end); }, expr.node);
  }
  const std::map<std::string_view, model::TimestampMs>& ends() const { return ends_; }

 private:
  model::TimestampMs moved(const std::optional<AtModifier>& at, model::DurationMs offset,
                           model::TimestampMs end) const {
    if (at) {
      end = at->kind == AtModifier::Kind::Timestamp ? at->timestamp
            : at->kind == AtModifier::Kind::Start   ? request_.start
                                                    : request_.end;
    }
    return minus(end, offset);
  }

  void visit(const VectorSelector& selector, model::TimestampMs end) {
    if (is_own_metric(selector)) return;
    end = moved(selector.at, selector.offset, end);
    for (const store::ClusterArrival& arrival : known_) {
      if (!selects(selector, arrival.cluster)) continue;
      const auto [found, inserted] = ends_.try_emplace(arrival.cluster, end);
      if (!inserted) found->second = std::max(found->second, end);
    }
  }
  void visit(const NumberLiteral&, model::TimestampMs) {}
  void visit(const StringLiteral&, model::TimestampMs) {}
  void visit(const MatrixSelector& node, model::TimestampMs end) { walk(*node.selector, end); }
  void visit(const Subquery& node, model::TimestampMs end) {
    walk(*node.expr, moved(node.at, node.offset, end));
  }
  void visit(const Unary& node, model::TimestampMs end) { walk(*node.expr, end); }
  void visit(const Paren& node, model::TimestampMs end) { walk(*node.expr, end); }
  void visit(const Binary& node, model::TimestampMs end) {
    walk(*node.left, end);
    walk(*node.right, end);
  }
  void visit(const Aggregate& node, model::TimestampMs end) {
    walk(*node.expr, end);
    if (node.parameter) walk(*node.parameter, end);
  }
  void visit(const Call& node, model::TimestampMs end) {
    for (const ExprPtr& argument : node.args) walk(*argument, end);
  }

  const Horizon request_;
  const std::vector<store::ClusterArrival>& known_;
  std::map<std::string_view, model::TimestampMs> ends_;
};

/// What may be missing without anybody being late.
model::DurationMs patience(const store::ClusterArrival& arrival) {
  return std::min(arrival.interval * 3 / 2 + arrival.lag, 2 * arrival.interval);
}

}  // namespace

std::vector<ClusterCompleteness> completeness_of(const Expr& expr,
                                                 const CompletenessRequest& request,
                                                 const std::vector<store::ClusterArrival>& known) {
  if (known.empty()) return {};
  Selectors selectors({request.start, request.end}, known);
  selectors.walk(expr, request.end);
  std::vector<ClusterCompleteness> out;
  for (const store::ClusterArrival& arrival : known) {
    const auto end = selectors.ends().find(arrival.cluster);
    if (end == selectors.ends().end()) continue;
    const model::TimestampMs needed = std::min(end->second, request.now);
    ClusterCompleteness cluster{arrival.cluster, arrival.watermark, 0, false};
    if (needed > arrival.watermark) cluster.behind = minus(needed, arrival.watermark);
    cluster.late = cluster.behind > patience(arrival);
    out.push_back(std::move(cluster));
  }
  return out;
}

std::string describe_late(const ClusterCompleteness& cluster) {
  const std::string who = cluster.cluster.empty() ? std::string("what came without a cluster label")
                                                  : "cluster " + model::go_quote(cluster.cluster);
  if (cluster.watermark == model::kMinTimestamp) return who + " has no samples";
  return who + " has no samples after " + model::format_rfc3339(cluster.watermark) + ", " +
         model::format_duration(cluster.behind / 1000 * 1000) + " before the end of the query";
}

void append_completeness(std::string& out, const std::vector<ClusterCompleteness>& clusters,
                         bool list_all) {
  const bool complete = std::none_of(clusters.begin(), clusters.end(),
                                     [](const ClusterCompleteness& c) { return c.late; });
  http::JsonWriter json(out);
  json.begin_object().key("complete").boolean(complete);
  json.field("clusters", static_cast<int64_t>(clusters.size()));
  const auto list = [&](std::string_view name, bool late_only) {
    json.key(name).begin_array();
    for (const ClusterCompleteness& cluster : clusters) {
      if (late_only && !cluster.late) continue;
      json.begin_object().field("cluster", cluster.cluster);
      if (cluster.watermark != model::kMinTimestamp) {
        std::string time;
        append_time(time, cluster.watermark);
        json.key("watermark").raw(time);
      }
      json.key("lagSeconds").number(static_cast<double>(cluster.behind) / 1000);
      json.end_object();
    }
    json.end_array();
  };
  list("late", true);
  if (list_all) list("watermarks", false);
  json.end_object();
}

}  // namespace aerie::query
