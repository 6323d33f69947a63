#include "query/functions_table.h"

#include <algorithm>
#include <initializer_list>

namespace aerie::query {
namespace {

constexpr ValueType kScalar = ValueType::Scalar;
constexpr ValueType kVector = ValueType::Vector;
constexpr ValueType kMatrix = ValueType::Matrix;
constexpr ValueType kString = ValueType::String;
constexpr int kAnyNumber = -1;

FunctionSignature function(std::string_view name, std::initializer_list<ValueType> args,
                           int variadic = 0, ValueType returns = kVector) {
  return {name, args, variadic, returns, false};
}

FunctionSignature experimental(std::string_view name, std::initializer_list<ValueType> args,
                               int variadic = 0, ValueType returns = kVector) {
  return {name, args, variadic, returns, true};
}

void add_plain(std::vector<FunctionSignature>& table) {
  for (std::string_view name : {"abs",
                                "absent",
                                "acos",
                                "acosh",
                                "asin",
                                "asinh",
                                "atan",
                                "atanh",
                                "ceil",
                                "cos",
                                "cosh",
                                "deg",
                                "exp",
                                "floor",
                                "histogram_avg",
                                "ln",
                                "log10",
                                "histogram_count",
                                "histogram_stddev",
                                "histogram_stdvar",
                                "log2",
                                "rad",
                                "histogram_sum",
                                "sgn",
                                "sin",
                                "sinh",
                                "sort",
                                "sort_desc",
                                "sqrt",
                                "tan",
                                "tanh",
                                "timestamp"}) {
    table.push_back(function(name, {kVector}));
  }
  for (std::string_view name : {"day_of_month", "day_of_week", "day_of_year", "days_in_month",
                                "hour", "minute", "month", "year"}) {
    table.push_back(function(name, {kVector}, 1));
  }
  for (std::string_view name :
       {"absent_over_time", "avg_over_time", "changes", "count_over_time", "delta", "deriv",
        "first_over_time", "idelta", "increase", "irate", "last_over_time", "max_over_time",
        "min_over_time", "present_over_time", "rate", "resets", "stddev_over_time",
        "stdvar_over_time", "sum_over_time"}) {
    table.push_back(function(name, {kMatrix}));
  }
}

void add_with_parameters(std::vector<FunctionSignature>& table) {
  table.push_back(function("clamp", {kVector, kScalar, kScalar}));
  table.push_back(function("clamp_max", {kVector, kScalar}));
  table.push_back(function("clamp_min", {kVector, kScalar}));
  table.push_back(function("histogram_fraction", {kScalar, kScalar, kVector}));
  table.push_back(function("histogram_quantile", {kScalar, kVector}));
  table.push_back(function("label_join", {kVector, kString, kString, kString}, kAnyNumber));
  table.push_back(function("label_replace", {kVector, kString, kString, kString, kString}));
  table.push_back(function("pi", {}, 0, kScalar));
  table.push_back(function("predict_linear", {kMatrix, kScalar}));
  table.push_back(function("quantile_over_time", {kScalar, kMatrix}));
  table.push_back(function("round", {kVector, kScalar}, 1));
  table.push_back(function("scalar", {kVector}, 0, kScalar));
  table.push_back(function("time", {}, 0, kScalar));
  table.push_back(function("vector", {kScalar}));
}

void add_experimental(std::vector<FunctionSignature>& table) {
  for (std::string_view name : {"end", "range", "start", "step"}) {
    table.push_back(experimental(name, {}, 0, kScalar));
  }
  for (std::string_view name : {"max_of", "min_of"}) {
    table.push_back(experimental(name, {kScalar, kScalar}, 0, kScalar));
  }
  for (std::string_view name : {"mad_over_time", "ts_of_first_over_time", "ts_of_last_over_time",
                                "ts_of_max_over_time", "ts_of_min_over_time"}) {
    table.push_back(experimental(name, {kMatrix}));
  }
  table.push_back(experimental("double_exponential_smoothing", {kMatrix, kScalar, kScalar}));
  table.push_back(experimental("histogram_quantiles", {kVector, kString, kScalar, kScalar}, 9));
  table.push_back(experimental("info", {kVector, kVector}, 1));
  table.push_back(experimental("sort_by_label", {kVector, kString}, kAnyNumber));
  table.push_back(experimental("sort_by_label_desc", {kVector, kString}, kAnyNumber));
  table.push_back(experimental("start_timestamp", {kVector}));
}

std::vector<FunctionSignature> make_table() {
  std::vector<FunctionSignature> table;
  add_plain(table);
  add_with_parameters(table);
  add_experimental(table);
  std::sort(table.begin(), table.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return table;
}

}  // namespace

std::span<const FunctionSignature> all_functions() {
  static const std::vector<FunctionSignature> table = make_table();
  return table;
}

const FunctionSignature* find_function(std::string_view name) {
  const auto table = all_functions();
  const auto found = std::lower_bound(table.begin(), table.end(), name,
                                      [](const auto& entry, auto key) { return entry.name < key; });
  return found != table.end() && found->name == name ? &*found : nullptr;
}

}  // namespace aerie::query
