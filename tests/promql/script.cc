#include "tests/promql/script.h"

#include <fmt/core.h>

#include <utility>

#include "query/literals.h"
#include "tests/promql/series_text.h"

namespace aerie::promqltest {
namespace {

std::string_view trimmed(std::string_view text) {
  const size_t start = text.find_first_not_of(" \t\r");
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(" \t\r") - start + 1);
}

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

/// Cuts the first word off.
std::string_view take_word(std::string_view& text) {
  const size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text = trimmed(text.substr(end));
  return word;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = trimmed(text.substr(at, end - at));
    lines.push_back(starts_with(line, "#") ? std::string_view() : line);
    at = end + 1;
  }
  return lines;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

class ScriptParser {
 public:
  explicit ScriptParser(std::string_view text) : lines_(lines_of(text)) {}

  Result<Script> parse() {
    Script script;
    for (; index_ < lines_.size(); ++index_) {
      if (lines_[index_].empty()) continue;
      auto command = parse_command();
      if (!command) {
        return std::move(command).error().with(fmt::format("line {}", index_ + 1));
      }
      script.push_back(std::move(command).value());
    }
    return script;
  }

 private:
  static Error fail(std::string text) { return {ErrorCode::InvalidArgument, std::move(text)}; }

  Result<Command> parse_command() {
    std::string_view rest = lines_[index_];
    const std::string word = lower(take_word(rest));
    if (word == "clear") return Command(Clear{});
    if (starts_with(word, "load")) return parse_load(word, rest);
    if (starts_with(word, "eval")) return parse_eval(word, rest);
    return fail(fmt::format("invalid command: {}", lines_[index_]));
  }

  /// The next line of the block under way, or nothing at its end.
  std::optional<std::string_view> next_line() {
    if (index_ + 1 >= lines_.size() || lines_[index_ + 1].empty()) return std::nullopt;
    return lines_[++index_];
  }

  Result<Command> parse_load(std::string_view word, std::string_view rest) {
    Load load;
    load.with_nhcb = word == "load_with_nhcb";
    if (!load.with_nhcb && word != "load") return fail("load or load_with_nhcb");
    auto interval = model::parse_duration(rest);
    if (!interval) return std::move(interval).error();
    load.interval = *interval;
    std::optional<StartsLine> starts;  // of the next line
    while (auto line = next_line()) {
      if (is_starts_line(*line)) {
        auto parsed = parse_starts_line(*line);
        if (!parsed) return std::move(parsed).error();
        starts = std::move(parsed).value();
        continue;
      }
      auto series = parse_series_line(*line);
      if (!series) return std::move(series).error();
      if (starts && starts->labels != series->labels)
        return fail(fmt::format("start timestamps of another series before {}", *line));
      for (size_t i = 0; starts && i < series->values.size() && i < starts->before.size(); ++i)
        series->values[i].start = starts->before[i];
      starts.reset();
      load.series.push_back(std::move(series).value());
    }
    return Command(std::move(load));
  }

  Result<Command> parse_eval(std::string_view word, std::string_view rest) {
    Eval eval;
    eval.line = static_cast<int>(index_) + 1;
    const std::string_view kind = take_word(rest);
    Status head = kind == "instant" ? parse_instant(eval, rest)
                  : kind == "range" ? parse_range(eval, rest)
                                    : Status(fail("eval instant or eval range"));
    if (!head) return std::move(head).error();
    if (word == "eval_ordered") {
      eval.ordered = true;
    } else if (word == "eval_fail") {
      eval.conditions.emplace(Expectation::Fail, TextCondition{});
    } else if (word == "eval_warn") {
      eval.conditions.emplace(Expectation::Warn, TextCondition{});
    } else if (word == "eval_info") {
      eval.conditions.emplace(Expectation::Info, TextCondition{});
    } else if (word != "eval") {
      return fail(fmt::format("unknown command {}", word));
    }
    while (auto line = next_line()) {
      if (auto status = parse_expectation(eval, *line); !status) return std::move(status).error();
    }
    return Command(std::move(eval));
  }

  static Status parse_instant(Eval& eval, std::string_view rest) {
    if (starts_with(rest, "at ") || starts_with(rest, "at\t")) {
      take_word(rest);
      auto at = model::parse_duration(take_word(rest));
      if (!at) return std::move(at).error();
      eval.at = *at;
    }
    eval.start = eval.at;
    eval.expr = std::string(rest);
    return {};
  }

  static Status parse_span(std::string_view& rest, Eval& eval) {
    const std::pair<std::string_view, model::TimestampMs*> parts[] = {
        {"from", &eval.start}, {"to", &eval.end}, {"step", &eval.step}};
    for (const auto& [word, place] : parts) {
      if (take_word(rest) != word) return fail(fmt::format("expected {}", word));
      auto value = model::parse_duration(take_word(rest));
      if (!value) return std::move(value).error();
      *place = *value;
    }
    return {};
  }

  static Status parse_range(Eval& eval, std::string_view rest) {
    eval.is_range = true;
    if (auto status = parse_span(rest, eval); !status) return status;
    eval.expr = std::string(rest);
    return {};
  }

  static Status parse_expectation(Eval& eval, std::string_view line) {
    constexpr std::string_view kFailMessage = "expected_fail_message";
    constexpr std::string_view kFailRegexp = "expected_fail_regexp";
    constexpr std::string_view kString = "expect string";
    constexpr std::string_view kRangeVector = "expect range vector";
    if (starts_with(line, kFailMessage) || starts_with(line, kFailRegexp)) {
      const bool message = starts_with(line, kFailMessage);
      TextCondition condition;
      condition.kind = message ? TextCondition::Kind::Message : TextCondition::Kind::Pattern;
      condition.text =
          std::string(trimmed(line.substr(message ? kFailMessage.size() : kFailRegexp.size())));
      eval.conditions.erase(Expectation::Fail);
      eval.conditions.emplace(Expectation::Fail, std::move(condition));
      return {};
    }
    if (starts_with(line, kRangeVector)) {
      std::string_view rest = trimmed(line.substr(kRangeVector.size()));
      eval.expects_range_vector = true;
      auto status = parse_span(rest, eval);
      eval.at = eval.end;
      return status;
    }
    if (starts_with(line, kString)) {
      const std::string_view quoted = trimmed(line.substr(kString.size()));
      if (quoted.size() < 2) return fail("a quoted string literal is required");
      eval.text = query::unquote(quoted);
      return {};
    }
    if (std::string_view rest = line; take_word(rest) == "expect")
      return parse_condition(eval, rest);
    if (const auto scalar = parse_bare_number(line)) {
      eval.scalar = scalar;
      return {};
    }
    auto series = parse_series_line(line);
    if (!series) return std::move(series).error();
    eval.series.push_back(std::move(series).value());
    return {};
  }

  static Status parse_condition(Eval& eval, std::string_view rest) {
    const std::string_view name = take_word(rest);
    if (name == "ordered") {
      eval.ordered = true;
      return {};
    }
    static const std::map<std::string_view, Expectation> kNames = {
        {"fail", Expectation::Fail},
        {"warn", Expectation::Warn},
        {"no_warn", Expectation::NoWarn},
        {"info", Expectation::Info},
        {"no_info", Expectation::NoInfo}};
    const auto found = kNames.find(name);
    if (found == kNames.end()) return fail(fmt::format("invalid expectation {}", name));
    TextCondition condition;
    if (!rest.empty()) {
      const bool message = starts_with(rest, "msg:");
      if (!message && !starts_with(rest, "regex:")) return fail("expected msg: or regex:");
      condition.kind = message ? TextCondition::Kind::Message : TextCondition::Kind::Pattern;
      condition.text = std::string(trimmed(rest.substr(rest.find(':') + 1)));
    }
    eval.conditions.emplace(found->second, std::move(condition));
    return {};
  }

  const std::vector<std::string_view> lines_;
  size_t index_ = 0;
};

}  // namespace

Result<Script> parse_script(std::string_view text) { return ScriptParser(text).parse(); }

}  // namespace aerie::promqltest
