#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alerting/template.h"
#include "alerting/template_value.h"
#include "base/result.h"

namespace aerie::alerting {

/// The Go type of a parameter; a value of another type is refused before the call.
enum class ParameterType : uint8_t { Any, String, Samples, Sample };
std::string_view parameter_type_name(ParameterType type);

/// A function that templates may call. Errors of `call` appear as `error calling <name>: <text>`.
struct TemplateFunction {
  std::string_view name;
  std::vector<ParameterType> parameters;
  bool variadic = false;  ///< the last parameter may stand any number of times, also none
  Result<TemplateValue> (*call)(const TemplateEnvironment& environment,
                                const std::vector<TemplateValue>& arguments);
};

/// Null if there is no such function. `and` and `or` are among them, but the evaluator runs them
/// itself (they stop early).
const TemplateFunction* find_template_function(std::string_view name);

/// A method of a time or duration: `.Format "2006"`, `.Unix`, `.Seconds`. Nothing if the value has
/// no such method.
std::optional<Result<TemplateValue>> call_method(const TemplateValue& receiver,
                                                 std::string_view name,
                                                 const std::vector<TemplateValue>& arguments);

/// A sample as templates see it: a struct with Labels and Value.
TemplateValue sample_value(const TemplateSample& sample);
/// A label set as map[string]string.
TemplateValue labels_value(const model::Labels& labels);

/// Go's url.QueryEscape.
std::string query_escape(std::string_view text);
/// `/graph?g0.expr=…&g0.tab=1`: where Prometheus shows an expression as a table.
std::string table_link(std::string_view expression);

}  // namespace aerie::alerting
