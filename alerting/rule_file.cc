#include "alerting/rule_file.h"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "base/yaml_reader.h"
#include "model/labels.h"
#include "query/parser.h"

namespace aerie::alerting {
namespace {

using LabelTexts = std::map<std::string, std::string>;

/// Walks one file, collecting every problem rather than the first. One use, one thread.
class FileParser {
 public:
  FileParser(const std::string& file, const query::LanguageFeatures& features)
      : file_(file), features_(features) {}

  Result<std::vector<GroupSpec>> run(std::string_view text) {
    auto root = YamlNode::parse(text, file_);
    if (!root) return std::move(root).error();
    std::vector<GroupSpec> groups;
    std::set<std::string> names;
    keep(root->expect_keys({"groups"}));
    for (const YamlNode& node : taken(root->get_sequence("groups"))) {
      GroupSpec group = read_group(node);
      if (!group.name.empty() && !names.insert(group.name).second) {
        problem(node, fmt::format("groupname: \"{}\" is repeated in the same file", group.name));
      }
      groups.push_back(std::move(group));
    }
    if (problems_.empty()) return groups;
    return Error(ErrorCode::InvalidArgument, fmt::format("{}", fmt::join(problems_, "\n")));
  }

 private:
  /// Where in the file we are, for the words before a problem.
  struct RuleContext {
    std::string group;
    size_t number;  // from 1
    std::string name;
  };

  void problem(const YamlNode& node, std::string_view what) {
    const std::string context =
        rule_ ? fmt::format("group {}, rule {}, {}: ", model::go_quote(rule_->group), rule_->number,
                            model::go_quote(rule_->name))
              : std::string();
    problems_.push_back(node.error(context + std::string(what)).message());
  }
  void keep(const Status& status) {
    if (!status) problems_.push_back(Status(status).error().message());
  }
  /// The value, or its default after noting the problem.
  template <class T>
  T taken(Result<T> result) {
    if (result) return std::move(*result);
    problems_.push_back(result.error().message());
    return T();
  }

  GroupSpec read_group(const YamlNode& node) {
    GroupSpec group;
    group.file = file_;
    keep(node.expect_keys({"name", "interval", "query_offset", "limit", "labels", "rules"}));
    if (!node.is_map()) return group;
    group.name = taken(node.get_string("name"));
    if (group.name.empty()) problem(node, "Groupname must not be empty");
    group.interval = read_duration(node, "interval");
    group.query_offset = read_duration(node, "query_offset");
    group.limit = taken(node.get_integer("limit", 0, 0, std::numeric_limits<int64_t>::max()));
    const LabelTexts labels = read_labels(node, "labels");
    size_t number = 0;
    for (const YamlNode& rule : taken(node.get_sequence("rules"))) {
      rule_ = RuleContext{group.name, ++number, rule_name(rule)};
      group.rules.push_back(read_rule(rule, labels));
      rule_.reset();
    }
    return group;
  }

  static std::string rule_name(const YamlNode& node) {
    for (const std::string_view key : {"record", "alert"}) {
      auto name = node.get_string(key);
      if (name && !name->empty()) return std::move(*name);
    }
    return {};
  }

  RuleSpec read_rule(const YamlNode& node, const LabelTexts& group_labels) {
    RuleSpec rule;
    keep(node.expect_keys(
        {"record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"}));
    if (!node.is_map()) return rule;
    const std::string record = taken(node.get_string("record"));
    const std::string alert = taken(node.get_string("alert"));
    rule.kind = alert.empty() ? RuleSpec::Kind::Recording : RuleSpec::Kind::Alerting;
    rule.name = alert.empty() ? record : alert;
    if (!record.empty() && !alert.empty())
      problem(node, "only one of 'record' and 'alert' must be set");
    if (record.empty() && alert.empty()) problem(node, "one of 'record' or 'alert' must be set");
    read_expr(node, rule);
    rule.hold = read_duration(node, "for");
    rule.keep_firing = read_duration(node, "keep_firing_for");
    if (!record.empty() && alert.empty()) check_recording(node, record);
    LabelTexts labels = read_labels(node, "labels");
    labels.insert(group_labels.begin(), group_labels.end());  // the rule's own win
    LabelTexts annotations;
    for (const YamlEntry& entry : entries(node, "annotations")) {
      if (entry.name.empty() || !model::is_valid_utf8(entry.name)) {
        problem(entry.key, fmt::format("invalid annotation name: {}", entry.name));
      }
      annotations[entry.name] = taken(entry.value.as_string());
    }
    rule.labels = parse_templates(node, rule, labels, "label");
    rule.annotations = parse_templates(node, rule, annotations, "annotation");
    return rule;
  }

  void read_expr(const YamlNode& node, RuleSpec& rule) {
    const auto found = node.find("expr");
    const std::string text = found ? taken(found->as_string()) : std::string();
    if (text.empty()) return problem(found.value_or(node), "field 'expr' must be set in rule");
    auto expr = query::parse_expr(text, features_);
    if (!expr) {
      return problem(*found, fmt::format("could not parse expression: {}", expr.error().message()));
    }
    rule.expr = std::move(*expr);
    rule.expr_text = query::to_string(*rule.expr);
  }

  void check_recording(const YamlNode& node, const std::string& name) {
    for (const std::string_view key : {"annotations", "for", "keep_firing_for"}) {
      const auto found = node.find(key);
      if (found && !found->is_null())
        problem(*found, fmt::format("invalid field '{}' in recording rule", key));
    }
    const YamlNode place = node.find("record").value_or(node);
    if (!model::is_valid_utf8(name)) {
      problem(place, fmt::format("invalid recording rule name: {}", name));
    } else if (name.find_first_of("{}") != std::string::npos) {
      problem(place,
              fmt::format("braces present in the recording rule name; should it be in expr?: {}",
                          name));
    }
  }

  std::vector<YamlEntry> entries(const YamlNode& node, std::string_view key) {
    const auto found = node.find(key);
    return found ? taken(found->as_map()) : std::vector<YamlEntry>();
  }

  /// Label names may be any UTF-8, as in Prometheus 3, but not the metric's name.
  LabelTexts read_labels(const YamlNode& node, std::string_view key) {
    LabelTexts labels;
    for (const YamlEntry& entry : entries(node, key)) {
      if (entry.name.empty() || !model::is_valid_utf8(entry.name) ||
          entry.name == model::kMetricName) {
        problem(entry.key, fmt::format("invalid label name: {}", entry.name));
      }
      std::string value = taken(entry.value.as_string());
      if (!model::is_valid_utf8(value))
        problem(entry.value, fmt::format("invalid label value: {}", value));
      labels[entry.name] = std::move(value);
    }
    return labels;
  }

  model::DurationMs read_duration(const YamlNode& node, std::string_view key) {
    const auto found = node.find(key);
    if (!found || found->is_null()) return 0;
    auto text = found->as_string();
    if (!text) return taken(Result<model::DurationMs>(std::move(text).error()));
    auto duration = model::parse_duration(*text);
    if (duration) return *duration;
    problem(*found, duration.error().message());
    return 0;
  }

  NamedTemplates parse_templates(const YamlNode& node, const RuleSpec& rule,
                                 const LabelTexts& texts, std::string_view what) {
    NamedTemplates templates;
    const auto section = node.find(what == "label" ? "labels" : "annotations");
    for (const auto& [name, text] : texts) {
      // Recorded labels are no templates: what looks like an action stays as it is.
      const bool plain = rule.kind == RuleSpec::Kind::Recording;
      auto parsed = plain ? Template::plain(text) : Template::parse("__alert_" + rule.name, text);
      if (parsed) {
        templates.emplace_back(name, std::move(*parsed));
        continue;
      }
      const auto place = section ? section->find(name) : std::nullopt;
      problem(place.value_or(node),
              fmt::format("{} {}: {}", what, model::go_quote(name), parsed.error().message()));
    }
    return templates;
  }

  const std::string& file_;
  const query::LanguageFeatures& features_;
  std::optional<RuleContext> rule_;
  std::vector<std::string> problems_;
};

void append_field(std::string& out, std::string_view text) {
  out += fmt::format("{}:{};", text.size(), text);
}

void append_templates(std::string& out, const NamedTemplates& templates) {
  for (const auto& [name, text] : templates) {
    append_field(out, name);
    append_field(out, text.text());
  }
  out += '|';
}

bool is_pattern(std::string_view text) {
  return text.find_first_of("*?[") != std::string_view::npos;
}

/// Files of one pattern, sorted. A plain path stands for itself, so that its absence is noticed
/// when it is read.
Result<std::vector<std::string>> matching_files(const std::string& pattern) {
  if (!is_pattern(pattern)) return std::vector<std::string>{pattern};
  glob_t found{};
  const int failed = ::glob(pattern.c_str(), 0, nullptr, &found);
  std::vector<std::string> files;
  if (failed == 0) files.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  globfree(&found);
  if (failed != 0 && failed != GLOB_NOMATCH) {
    return Error(ErrorCode::IoError, fmt::format("cannot list the rule files \"{}\"", pattern));
  }
  return files;
}

Result<std::string> read_file(const std::string& path) {
  errno = 0;
  std::ifstream input(path, std::ios::binary);
  std::ostringstream content;
  if (input) content << input.rdbuf();
  if (!input) {
    const char* reason = errno != 0 ? std::strerror(errno) : "not a readable file";
    return Error(ErrorCode::IoError, fmt::format("{}: {}", path, reason));
  }
  return std::move(content).str();
}

struct LoadedFile {
  std::string path;
  std::vector<GroupSpec> groups;
};

/// `need_match`: a pattern without a file is an error; so is, always, a plain path that does not
/// exist.
Result<std::vector<LoadedFile>> load(const std::vector<std::string>& patterns, bool need_match,
                                     const query::LanguageFeatures& features) {
  std::vector<LoadedFile> loaded;
  std::set<std::string> seen;
  std::vector<std::string> problems;
  ErrorCode code = ErrorCode::InvalidArgument;
  for (const std::string& pattern : patterns) {
    auto files = matching_files(pattern);
    if (!files) return std::move(files).error();
    if (files->empty() && need_match) {
      return Error(ErrorCode::NotFound, fmt::format("no file matches \"{}\"", pattern));
    }
    for (const std::string& file : *files) {
      if (!seen.insert(file).second) continue;
      auto text = read_file(file);
      if (!text) {
        problems.push_back(text.error().message());
        code = ErrorCode::IoError;
        continue;
      }
      auto groups = parse_rule_file(*text, file, features);
      if (groups) {
        loaded.push_back({file, std::move(*groups)});
      } else {
        problems.push_back(groups.error().message());
      }
    }
  }
  if (problems.empty()) return loaded;
  return Error(code, fmt::format("{}", fmt::join(problems, "\n")));
}

}  // namespace

std::string RuleSpec::fingerprint() const {
  std::string out = kind == Kind::Alerting ? "alert;" : "record;";
  append_field(out, name);
  append_field(out, expr_text);
  out += fmt::format("{};{};", hold, keep_firing);
  append_templates(out, labels);
  append_templates(out, annotations);
  return out;
}

std::string GroupSpec::fingerprint() const {
  std::string out;
  append_field(out, file);
  append_field(out, name);
  out += fmt::format("{};{};{};", interval, query_offset, limit);
  for (const RuleSpec& rule : rules) append_field(out, rule.fingerprint());
  return out;
}

Result<std::vector<GroupSpec>> parse_rule_file(std::string_view text, const std::string& file,
                                               const query::LanguageFeatures& features) {
  return FileParser(file, features).run(text);
}

Result<std::vector<GroupSpec>> load_rule_files(const std::vector<std::string>& patterns,
                                               const query::LanguageFeatures& features) {
  auto files = load(patterns, /*need_match=*/false, features);
  if (!files) return std::move(files).error();
  std::vector<GroupSpec> groups;
  for (LoadedFile& file : *files) {
    for (GroupSpec& group : file.groups) groups.push_back(std::move(group));
  }
  return groups;
}

Result<std::vector<RuleFileReport>> check_rule_files(const std::vector<std::string>& patterns,
                                                     const query::LanguageFeatures& features) {
  auto files = load(patterns, /*need_match=*/true, features);
  if (!files) return std::move(files).error();
  std::vector<RuleFileReport> reports;
  for (const LoadedFile& file : *files) {
    RuleFileReport report{file.path, file.groups.size(), 0};
    for (const GroupSpec& group : file.groups) report.rules += group.rules.size();
    reports.push_back(std::move(report));
  }
  return reports;
}

}  // namespace aerie::alerting
