#include "query/info_function.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "query/label_projection.h"
#include "query/mapped.h"
#include "query/unique_series.h"

namespace aerie::query {
namespace {

constexpr std::string_view kTargetInfo = "target_info";
const std::vector<std::string>& identifying_labels() {
  static const std::vector<std::string> kLabels{"instance", "job"};
  return kLabels;
}

/// Which info metrics, and which of their labels: the second argument taken apart.
struct InfoRequest {
  model::Matchers names;         // at least one that is positive
  model::Matchers data;          // of other labels
  std::set<std::string> wanted;  // names of `data`; empty: all labels

  bool is_info_series(std::string_view metric_name) const {
    return std::all_of(names.begin(), names.end(),
                       [&](const model::Matcher& m) { return m.matches(metric_name); });
  }
  bool data_may_be_absent() const {
    return std::all_of(data.begin(), data.end(),
                       [](const model::Matcher& m) { return m.matches_empty(); });
  }
};

Result<InfoRequest> read_request(const Call& call) {
  InfoRequest request;
  bool positive = false;
  if (call.args.size() > 1) {
    const auto* selector = std::get_if<VectorSelector>(&unwrap(*call.args[1]).node);
    if (selector == nullptr)
      return Error(ErrorCode::Execution,
                   "expected label selectors as the second argument to info function");
    for (const model::Matcher& matcher : selector->matchers) {
      if (matcher.name() != model::kMetricName) {
        request.wanted.insert(matcher.name());
        request.data.push_back(matcher);
        continue;
      }
      request.names.push_back(matcher);
      positive = positive || matcher.type() == model::MatchType::Equal ||
                 matcher.type() == model::MatchType::Regex;
    }
  }
  if (request.names.empty()) {
    request.names.push_back(
        model::Matcher::equal(std::string(model::kMetricName), std::string(kTargetInfo)));
  } else if (!positive) {
    auto any =
        model::Matcher::make(model::MatchType::Regex, std::string(model::kMetricName), ".+_info");
    if (!any) return std::move(any).error();
    request.names.insert(request.names.begin(), std::move(any).value());
  }
  return request;
}

/// The time at which the first selector inside the expression looks: info series are looked at
/// then, too.
struct LookTime {
  std::optional<AtModifier> at;
  model::DurationMs offset = 0;
  bool found = false;
};

LookTime look_time(const Expr& expr);

struct LookTimeVisitor {
  LookTime operator()(const NumberLiteral&) const { return {}; }
  LookTime operator()(const StringLiteral&) const { return {}; }
  LookTime operator()(const VectorSelector& selector) const {
    return {selector.at, selector.offset, true};
  }
  LookTime operator()(const MatrixSelector& selector) const {
    return look_time(*selector.selector);
  }
  LookTime operator()(const Subquery& subquery) const {
    LookTime inner = look_time(*subquery.expr);
    if (!inner.found || inner.at) return inner;
    return {subquery.at, inner.offset + subquery.offset, true};
  }
  LookTime operator()(const Unary& unary) const { return look_time(*unary.expr); }
  LookTime operator()(const Paren& paren) const { return look_time(*paren.expr); }
  LookTime operator()(const Binary& binary) const {
    const LookTime left = look_time(*binary.left);
    return left.found ? left : look_time(*binary.right);
  }
  LookTime operator()(const Aggregate& aggregate) const { return look_time(*aggregate.expr); }
  LookTime operator()(const Call& call) const {
    for (const ExprPtr& argument : call.args)
      if (const LookTime inner = look_time(*argument); inner.found) return inner;
    return {};
  }
};

LookTime look_time(const Expr& expr) { return std::visit(LookTimeVisitor(), expr.node); }

/// The info series of one metric name that share their identifying labels: at most one counts at a
/// step, the newest.
struct InfoGroup {
  static constexpr uint32_t kNone = UINT32_MAX;
  std::string metric_name;
  std::vector<uint32_t> chosen;  // index of the info series by step
  std::vector<model::TimestampMs> sampled;
};

class InfoJoin {
 public:
  InfoJoin(const CallSite& site, InfoRequest request)
      : site_(site),
        request_(std::move(request)),
        delayed_(site.context().features().delayed_name_removal),
        identity_(LabelProjection::Keep::Only, identifying_labels(), true) {}

  Result<StreamPtr> join() {
    auto base = site_.planner.vector(site_.argument(0), site_.steps);
    if (!base) return base;
    base_ = (*base)->take_series();
    for (SeriesInfo& info : base_) info.labels = visible_labels(info, delayed_);
    if (auto read = read_info_series(); !read) return std::move(read).error();
    Row row;
    for (const SeriesInfo& info : base_) {
      if (auto next = (*base)->next(row); !next) return std::move(next).error();
      if (auto joined = join_series(info, row); !joined) return std::move(joined).error();
    }
    return unique_series(from_rows(std::move(out_series_), std::move(out_rows_)),
                         EqualSeries::MergeSteps, LabelChange::Any, site_.steps, site_.context());
  }

 private:
  /// Only info series that share an identifying label's value with some series to be enriched.
  Result<model::Matchers> selection() {
    model::Matchers matchers = request_.names;
    matchers.insert(matchers.end(), request_.data.begin(), request_.data.end());
    bool any = false;
    for (const std::string& name : identifying_labels()) {
      std::set<std::string> values;
      for (const SeriesInfo& info : base_)
        if (!request_.is_info_series(info.labels.metric_name()) && info.labels.has(name))
          values.emplace(info.labels.get(name));
      if (values.empty()) continue;
      any = true;
      std::string pattern;
      for (const std::string& value : values) {
        if (!pattern.empty()) pattern += '|';
        for (const char c : value) {
          if (std::string_view("\\.+*?()|[]{}^$").find(c) != std::string_view::npos)
            pattern += '\\';
          pattern += c;
        }
      }
      auto matcher = model::Matcher::make(model::MatchType::Regex, name, pattern);
      if (!matcher) return std::move(matcher).error();
      matchers.push_back(std::move(matcher).value());
    }
    if (!any) matchers.clear();
    return matchers;
  }

  Status read_info_series() {
    auto matchers = selection();
    if (!matchers) return std::move(matchers).error();
    if (matchers->empty()) return {};
    const LookTime when = look_time(site_.argument(0));
    VectorSelector selector;
    selector.matchers = std::move(matchers).value();
    selector.offset = when.offset;
    selector.at = when.at;
    auto stream = open_instant_selector(selector, site_.position, site_.steps,
                                        SelectorYields::FloatTimestamps, site_.context());
    if (!stream) return std::move(stream).error();
    info_ = (*stream)->take_series();
    Row row;
    for (uint32_t i = 0; i < info_.size(); ++i) {
      if (auto read = (*stream)->next(row); !read) return read;
      if (!row.histograms.empty())
        return Error(ErrorCode::Execution, "info sample should be float");
      if (auto chosen = choose(i, row); !chosen) return chosen;
    }
    return {};
  }

  Status choose(uint32_t index, const Row& row) {
    const std::string name(info_[index].labels.metric_name());
    const uint32_t identity = identity_.id_of(info_[index]);
    InfoGroup& group = groups_[{name, identity}];
    if (group.chosen.empty()) {
      group.metric_name = name;
      group.chosen.assign(site_.steps.count, InfoGroup::kNone);
      group.sampled.assign(site_.steps.count, 0);
    }
    Status status;
    for_each_present(row.present, [&](size_t step) {
      const auto sampled = static_cast<model::TimestampMs>(std::llround(row.values[step] * 1000));
      uint32_t& chosen = group.chosen[step];
      if (chosen == InfoGroup::kNone || group.sampled[step] < sampled) {
        chosen = index;
        group.sampled[step] = sampled;
      } else if (group.sampled[step] == sampled && status.ok()) {
        status = Error(
            ErrorCode::Execution,
            fmt::format("found duplicate series for info metric: existing {} @ {}, new {} @ {}",
                        in_braces(info_[chosen].labels), sampled, in_braces(info_[index].labels),
                        sampled));
      }
    });
    return status;
  }

  Status join_series(const SeriesInfo& base, const Row& row) {
    if (request_.is_info_series(base.labels.metric_name())) {
      out_series_.push_back(base);
      out_rows_.push_back(row);
      return {};
    }
    std::vector<const InfoGroup*> groups;
    const uint32_t identity = identity_.find(base);
    for (const auto& [key, group] : groups_)
      if (key.second == identity) groups.push_back(&group);
    std::map<std::vector<uint32_t>, uint32_t>
        outputs;  // combination of info series -> output, kNone: dropped
    Status status;
    for_each_present(row.present, [&](size_t step) {
      if (!status.ok()) return;
      std::vector<uint32_t> combination;
      for (const InfoGroup* group : groups) combination.push_back(group->chosen[step]);
      const auto [found, inserted] = outputs.try_emplace(combination, InfoGroup::kNone);
      if (inserted) {
        auto labels = enrich(base, combination);
        if (!labels) {
          status = std::move(labels).error();
          return;
        }
        if (labels->has_value()) {
          found->second = static_cast<uint32_t>(out_rows_.size());
          out_series_.push_back({std::move(**labels), base.drop_name});
          out_rows_.emplace_back().reset(site_.steps.count);
        }
      }
      if (found->second != InfoGroup::kNone) out_rows_[found->second].copy_sample(row.view(), step);
    });
    return status;
  }

  /// The base series with the info series' labels; nothing if it must have some and has none.
  Result<std::optional<model::Labels>> enrich(const SeriesInfo& base,
                                              const std::vector<uint32_t>& combination) const {
    std::map<std::string_view, std::string_view> added;
    bool any = false;
    for (const uint32_t index : combination) {
      if (index == InfoGroup::kNone) continue;
      any = true;
      for (const model::LabelView& label : info_[index].labels) {
        if (label.name == model::kMetricName) continue;
        if (!request_.wanted.empty() && request_.wanted.count(std::string(label.name)) == 0)
          continue;
        const auto existing = added.find(label.name);
        if (existing != added.end() && existing->second != label.value)
          return Error(ErrorCode::Execution, "conflicting label: " + std::string(label.name));
        if (!base.labels.has(label.name)) added[label.name] = label.value;
      }
    }
    if (!any && !request_.data_may_be_absent()) return std::optional<model::Labels>();
    model::LabelsBuilder builder(base.labels);
    for (const auto& [name, value] : added) builder.set(name, value);
    return std::optional<model::Labels>(builder.build());
  }

  const CallSite& site_;
  const InfoRequest request_;
  const bool delayed_;
  LabelProjection identity_;
  std::vector<SeriesInfo> base_;
  std::vector<SeriesInfo> info_;
  std::map<std::pair<std::string, uint32_t>, InfoGroup> groups_;
  std::vector<SeriesInfo> out_series_;
  std::vector<Row> out_rows_;
};

}  // namespace

Result<StreamPtr> info(const CallSite& site) {
  auto request = read_request(site.call);
  if (!request) return std::move(request).error();
  return InfoJoin(site, std::move(request).value()).join();
}

}  // namespace aerie::query
