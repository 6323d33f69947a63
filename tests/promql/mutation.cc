#include "tests/promql/mutation.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <utility>

#include "model/sample.h"

namespace aerie::promqltest {
namespace {

/// The number with one digit changed: the last of the four leading ones, so that small errors are
/// seen as well.
double other_digit(double value) {
  if (model::is_stale(value) || !std::isfinite(value) || value == 0) return 42;
  std::string text = fmt::format("{}", value);
  const size_t end = std::min(text.find('e'), text.size());
  const size_t first = text.find_first_of("123456789");
  size_t place = first;
  for (size_t i = first, seen = 0; i < end && seen < 4; ++i) {
    if (text[i] == '.') continue;
    place = i;
    ++seen;
  }
  text[place] = static_cast<char>('0' + (text[place] - '0' + 1) % 10);
  return std::strtod(text.c_str(), nullptr);
}

SequenceValue other_value(const SequenceValue& value) {
  SequenceValue out = value;
  if (value.histogram) {
    model::NativeHistogram histogram = *value.histogram;
    histogram.count = other_digit(histogram.count);
    out.histogram = std::make_shared<model::NativeHistogram>(std::move(histogram));
  } else if (value.omitted) {
    out.omitted = false;
    out.value = 42;
  } else {
    out.value = other_digit(value.value);
  }
  return out;
}

model::Labels other_label(const model::Labels& labels) {
  model::LabelsBuilder builder(labels);
  std::string value = "altered";
  std::string name = "altered";
  if (!labels.empty()) {
    name = std::string((*labels.begin()).name);
    value = std::string((*labels.begin()).value) + "x";
  }
  return builder.set(name, value).build();
}

/// Whether a later line names the same series: then this one does not count.
bool is_overridden(const Eval& eval, size_t index) {
  for (size_t i = index + 1; i < eval.series.size(); ++i) {
    if (eval.series[i].labels == eval.series[index].labels) return true;
  }
  return false;
}

void alter_series(const Eval& eval, std::vector<Mutant>& out) {
  for (size_t i = 0; i < eval.series.size(); ++i) {
    if (is_overridden(eval, i)) continue;
    if (!eval.series[i].values.empty()) {
      Mutant digit{eval, "digit"};
      const bool many = eval.is_range || eval.expects_range_vector;
      const size_t place = many ? i % eval.series[i].values.size() : 0;
      digit.eval.series[i].values[place] = other_value(eval.series[i].values[place]);
      out.push_back(std::move(digit));
    }
    Mutant label{eval, "label"};
    label.eval.series[i].labels = other_label(eval.series[i].labels);
    out.push_back(std::move(label));
  }
  if (eval.conditions.count(Expectation::Fail) || eval.text || eval.scalar) return;
  Mutant extra{eval, "extra series"};
  SequenceValue one;
  one.value = 1;
  extra.eval.series.push_back({model::Labels{{"altered", "yes"}}, {one}});
  out.push_back(std::move(extra));
  if (eval.ordered && eval.series.size() > 1) {
    Mutant order{eval, "order"};
    std::swap(order.eval.series.front(), order.eval.series.back());
    out.push_back(std::move(order));
  }
}

Expectation opposite(Expectation kind) {
  switch (kind) {
    case Expectation::Warn: return Expectation::NoWarn;
    case Expectation::NoWarn: return Expectation::Warn;
    case Expectation::Info: return Expectation::NoInfo;
    case Expectation::NoInfo: return Expectation::Info;
    case Expectation::Fail: break;
  }
  return Expectation::Fail;
}

void alter_conditions(const Eval& eval, std::vector<Mutant>& out) {
  size_t index = 0;
  for (const auto& [kind, condition] : eval.conditions) {
    Mutant mutant{eval, "annotation"};
    auto place = std::next(mutant.eval.conditions.begin(), static_cast<std::ptrdiff_t>(index++));
    if (condition.kind != TextCondition::Kind::Any) {
      place->second.text += "x";
    } else if (kind == Expectation::Fail) {
      mutant.eval.conditions.erase(place);
    } else {
      mutant.eval.conditions.erase(kind);
      mutant.eval.conditions.emplace(opposite(kind), TextCondition{});
    }
    out.push_back(std::move(mutant));
  }
}

}  // namespace

std::vector<Mutant> mutants_of(const Eval& eval) {
  std::vector<Mutant> out;
  alter_series(eval, out);
  alter_conditions(eval, out);
  if (eval.text) {
    Mutant mutant{eval, "text"};
    mutant.eval.text = *eval.text + "x";
    out.push_back(std::move(mutant));
  }
  if (eval.scalar) {
    Mutant mutant{eval, "digit"};
    mutant.eval.scalar = other_digit(*eval.scalar);
    out.push_back(std::move(mutant));
  }
  return out;
}

}  // namespace aerie::promqltest
