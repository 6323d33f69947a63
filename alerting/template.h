#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "model/time.h"

namespace aerie::alerting {

struct TemplateTree;

/// One element of a query's answer, as templates see it.
struct TemplateSample {
  model::Labels labels;
  double value = 0;
};

/// What a template may ask of the world. Used on the thread that expands.
struct TemplateEnvironment {
  /// Answers the `query` function, as of `now`. The error's text appears in the output.
  std::function<Result<std::vector<TemplateSample>>(std::string_view)> query;
  model::TimestampMs now = 0;
  std::string external_url;  ///< without a slash at the end
};

/// What `.Labels`, `.ExternalLabels`, `.ExternalURL` (from the environment) and `.Value` are.
struct TemplateData {
  const model::Labels& labels;  ///< of the query result, with `__name__` if it has one
  const model::Labels& external_labels;
  double value = 0;
};

/// A label or annotation of an alerting rule: Go's text/template with Prometheus's functions,
/// `$labels`, `$externalLabels`,
/// `$externalURL` and `$value`. Immutable, cheap to copy, safe to use from any thread.
/// Bounded: 1 MiB of output, 1 million steps, 100 levels of nesting.
class Template {
 public:
  /// `name` appears in error texts (Prometheus: `__alert_<name>`). Errors: InvalidArgument with
  /// Go's text.
  static Result<Template> parse(std::string_view name, std::string_view text);

  /// A text that is no template, whatever it looks like. Never fails.
  static Result<Template> plain(std::string_view text);

  /// Errors: Execution with Go's text.
  Result<std::string> expand(const TemplateData& data,
                             const TemplateEnvironment& environment) const;
  /// expand(), or `<error expanding template: …>` as Prometheus puts it into the alert.
  std::string expand_or_explain(const TemplateData& data,
                                const TemplateEnvironment& environment) const;

  /// As written.
  const std::string& text() const { return text_; }

 private:
  Template(std::string text, std::shared_ptr<const TemplateTree> tree);
  std::string text_;
  std::shared_ptr<const TemplateTree> tree_;  // null: plain text without actions
};

}  // namespace aerie::alerting
