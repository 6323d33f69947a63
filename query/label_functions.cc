#include <re2/re2.h>

#include <charconv>

#include "query/label_projection.h"
#include "query/mapped.h"
#include "query/planner.h"
#include "query/unique_series.h"

namespace aerie::query {
namespace {

bool is_valid_label_name(std::string_view name) {
  return !name.empty() && model::is_valid_utf8(name);
}

bool is_group_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/// A replacement text with `$1`, `${1}`, `$name`, `${name}` and `$$`, as Go's Regexp.Expand reads
/// it.
class Template {
 public:
  Template(std::string_view text, const re2::RE2& regex) {
    while (!text.empty()) {
      const size_t dollar = text.find('$');
      literal(text.substr(0, dollar));
      if (dollar == std::string_view::npos) break;
      text.remove_prefix(dollar);
      take_reference(text, regex);
    }
  }

  std::string expand(std::span<const re2::StringPiece> groups) const {
    std::string out;
    for (const Part& part : parts_) {
      out += part.text;
      if (part.group >= 0 && static_cast<size_t>(part.group) < groups.size())
        out.append(groups[static_cast<size_t>(part.group)].data(),
                   groups[static_cast<size_t>(part.group)].size());
    }
    return out;
  }

 private:
  struct Part {
    std::string text;
    int group = -1;
  };

  void literal(std::string_view text) {
    if (!text.empty()) parts_.push_back({std::string(text), -1});
  }

  /// `text` begins with `$`.
  void take_reference(std::string_view& text, const re2::RE2& regex) {
    if (text.starts_with("$$")) {
      literal("$");
      text.remove_prefix(2);
      return;
    }
    const bool braces = text.starts_with("${");
    const size_t begin = braces ? 2 : 1;
    size_t end = begin;
    while (end < text.size() && is_group_character(text[end])) ++end;
    const bool closed = !braces || (end < text.size() && text[end] == '}');
    if (end == begin || !closed) {  // not a reference: the dollar stands for itself
      literal("$");
      text.remove_prefix(1);
      return;
    }
    parts_.push_back({{}, group_number(text.substr(begin, end - begin), regex)});
    text.remove_prefix(braces ? end + 1 : end);
  }

  static int group_number(std::string_view name, const re2::RE2& regex) {
    int number = -1;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), number);
    if (parsed.ec == std::errc() && parsed.ptr == name.data() + name.size()) return number;
    const auto& named = regex.NamedCapturingGroups();
    const auto found = named.find(std::string(name));
    return found == named.end() ? -1 : found->second;
  }

  std::vector<Part> parts_;
};

/// A stream under other labels.
class RelabelledStream final : public SeriesStream {
 public:
  RelabelledStream(StreamPtr input, std::vector<SeriesInfo> series)
      : SeriesStream(std::move(series)), input_(std::move(input)) {}
  Status produce(Row& row) override { return input_->next(row); }

 private:
  const StreamPtr input_;
};

/// Gives every series the label `name` that `value_of` finds; none leaves the series alone.
template <class ValueOf>
Result<StreamPtr> set_label(const CallSite& site, const std::string& name, ValueOf value_of) {
  auto input = site.planner.vector(site.argument(0), site.steps);
  if (!input) return input;
  const bool delayed = site.context().features().delayed_name_removal;
  std::vector<SeriesInfo> series = (*input)->take_series();
  model::LabelsBuilder builder;
  for (SeriesInfo& info : series) {
    if (!delayed && info.drop_name) info = {without_metadata(info.labels), false};
    const std::optional<std::string> value = value_of(info.labels);
    if (!value) continue;
    builder.reset(info.labels);
    builder.set(name, *value);
    info.labels = builder.build();
    if (name == model::kMetricName) info.drop_name = false;
  }
  StreamPtr relabelled =
      std::make_unique<RelabelledStream>(std::move(input).value(), std::move(series));
  return unique_series(std::move(relabelled), EqualSeries::MergeSteps, LabelChange::Any, site.steps,
                       site.context());
}

Result<StreamPtr> label_replace(const CallSite& site) {
  const std::string& destination = text_argument(site.argument(1));
  const std::string& source = text_argument(site.argument(3));
  const std::string& pattern = text_argument(site.argument(4));
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_dot_nl(true);
  const re2::RE2 regex(pattern, options);
  if (!regex.ok())
    return Error(ErrorCode::Execution, "invalid regular expression in label_replace(): " + pattern);
  if (!is_valid_label_name(destination))
    return Error(ErrorCode::Execution,
                 "invalid destination label name in label_replace(): " + destination);
  const Template replacement(text_argument(site.argument(2)), regex);
  std::vector<re2::StringPiece> groups(static_cast<size_t>(regex.NumberOfCapturingGroups()) + 1);
  return set_label(site, destination,
                   [&](const model::Labels& labels) -> std::optional<std::string> {
                     const std::string_view value = labels.get(source);
                     const re2::StringPiece text(value.data(), value.size());
                     if (!regex.Match(text, 0, value.size(), re2::RE2::ANCHOR_BOTH, groups.data(),
                                      static_cast<int>(groups.size())))
                       return std::nullopt;
                     return replacement.expand(groups);
                   });
}

Result<StreamPtr> label_join(const CallSite& site) {
  const std::string& destination = text_argument(site.argument(1));
  const std::string& separator = text_argument(site.argument(2));
  std::vector<std::string> sources;
  for (size_t i = 3; i < site.call.args.size(); ++i) {
    sources.push_back(text_argument(site.argument(i)));
    if (!is_valid_label_name(sources.back()))
      return Error(ErrorCode::Execution,
                   "invalid source label name in label_join(): " + sources.back());
  }
  if (!is_valid_label_name(destination))
    return Error(ErrorCode::Execution,
                 "invalid destination label name in label_join(): " + destination);
  return set_label(site, destination,
                   [&](const model::Labels& labels) -> std::optional<std::string> {
                     std::string joined;
                     for (size_t i = 0; i < sources.size(); ++i) {
                       if (i > 0) joined += separator;
                       joined += labels.get(sources[i]);
                     }
                     return joined;
                   });
}

constexpr FunctionImplementation kFunctions[] = {
    {"label_replace", label_replace},
    {"label_join", label_join},
};

}  // namespace

std::span<const FunctionImplementation> label_functions() { return kFunctions; }

}  // namespace aerie::query
