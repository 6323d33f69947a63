#include "alerting/template.h"

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "http/json_writer.h"
#include "tests/alerting/support/programs.h"

namespace aerie::alerting {
namespace {

constexpr double kValue = 1234567.891;

/// Answers a few fixed queries as a Prometheus with one series would at 60 s.
Result<std::vector<TemplateSample>> answer(std::string_view query) {
  const model::Labels labels{{"__name__", "x"}, {"a", "b"}, {"foo", "bar"}};
  if (query == "x") return std::vector<TemplateSample>{{labels, kValue}};
  if (query == "vector(1e20)") return std::vector<TemplateSample>{{{}, 1e20}};
  if (query == "vector(0.00001)") return std::vector<TemplateSample>{{{}, 0.00001}};
  if (query == "vector(0) > 1") return std::vector<TemplateSample>{};
  if (query == "x(")
    return Error(ErrorCode::InvalidArgument, "1:3: parse error: unclosed left parenthesis");
  return Error(ErrorCode::Execution, "the test has no answer to this query");
}

std::string expanded(std::string_view text, double value = kValue) {
  const model::Labels labels{{"__name__", "x"}, {"a", "b"}, {"foo", "bar"}};
  const model::Labels external{{"region", "north"}};
  TemplateEnvironment environment;
  environment.query = answer;
  environment.now = 60'000;
  environment.external_url = "http://aerie.test:9707/sub";
  const auto parsed = Template::parse("__alert_A", text);
  if (!parsed) return "PARSE: " + parsed.error().message();
  return parsed->expand_or_explain({labels, external, value}, environment);
}

TEST_CASE("what real rules write") {
  CHECK(expanded("plain text") == "plain text");
  CHECK(expanded("{{ $labels.foo }}/{{ $labels.a }}") == "bar/b");
  CHECK(expanded("{{ $labels.absent }}|") == "|");
  CHECK(expanded("{{ $value }}") == "1.234567891e+06");
  CHECK(expanded("{{ $value | humanize }}") == "1.235M");
  CHECK(expanded("{{ $value | humanizePercentage }}", 0.25) == "25%");
  CHECK(expanded("{{ $value | humanizeDuration }}", 90061) == "1d 1h 1m 1s");
  CHECK(expanded("{{ \"43200\" | humanizeDuration }}") == "12h 0m 0s");
  CHECK(expanded("{{ printf \"%.2f\" $value }}") == "1234567.89");
  CHECK(expanded("{{ with $labels.foo -}} on cluster {{ . }} {{- end }}.") == "on cluster bar.");
  CHECK(expanded("{{ with $labels.cluster -}} on cluster {{ . }} {{- end }}.") == ".");
  CHECK(expanded("{{ $externalURL }} {{ $externalLabels.region }}") ==
        "http://aerie.test:9707/sub north");
  CHECK(expanded("{{ humanizeTimestamp 1643114203 }}") == "2022-01-25 12:36:43 +0000 UTC");
}

/// What the alert-generator compliance suite asks for.
TEST_CASE("what the compliance suite writes") {
  CHECK(
      expanded("{{ humanize 1048576 }} {{ humanize1024 1048576 }} {{ humanizeDuration 135.3563 }} "
               "{{ humanizePercentage 0.959 }} {{ humanizeTimestamp 1643114203 }}") ==
      "1.049M 1Mi 2m 15s 95.9% 2022-01-25 12:36:43 +0000 UTC");
  CHECK(expanded("{{ \"this part\" | title }} {{ \"is testing\" | toUpper }} {{ \"THE STRINGS.\" | "
                 "toLower }} "
                 "{{ \"[::1]:80\" | stripPort }} {{ \"127.0.0.1:80\" | stripPort }}. {{ "
                 "parseDuration \"2h10m15s\" }}. "
                 "{{ reReplaceAll \"text\" \"replaced text\" \"text\" }}. {{ if match \"[0-9]+\" "
                 "\"abc\" }}no{{ end }}.") ==
        "This Part IS TESTING the strings. ::1 127.0.0.1. 7815. replaced text. .");
  CHECK(expanded("{{ define \"x\" }}Args are: {{ .arg0 }} {{ .arg1 }} {{ .arg2 }}{{ end }}"
                 "{{ template \"x\" (args \"foo\" \"bar\" 99) }}.") == "Args are: foo bar 99.");
}

TEST_CASE("functions that Debian's promtool does not know yet") {
  CHECK(expanded("{{ now }}") == "60");
  CHECK(expanded("{{ (now | toTime).Format \"2006-01-02 15:04:05 MST\" }}") ==
        "1970-01-01 00:01:00 UTC");
  CHECK(expanded("{{ (3661 | toDuration).String }}") == "1h1m1s");
  CHECK(expanded("{{ urlQueryEscape \"a b&c\" }}") == "a+b%26c");
  CHECK(expanded(
            "{{ range $i, $e := query \"x\" }}{{ if eq $i 0 }}{{ break }}{{ end }}{{ end }}ok") ==
        "ok");
}

TEST_CASE("templates that Go refuses are refused, with its words") {
  CHECK(expanded("{{ $labels.foo ") == "PARSE: template: __alert_A:1: unclosed action");
  CHECK(expanded("{{ nope }}") == "PARSE: template: __alert_A:1: function \"nope\" not defined");
  CHECK(expanded("{{ $nope }}") == "PARSE: template: __alert_A:1: undefined variable \"$nope\"");
  CHECK(expanded("{{ if }}x{{ end }}") == "PARSE: template: __alert_A:1: missing value for if");
  CHECK(expanded("{{ if true }}x") == "PARSE: template: __alert_A:1: unexpected EOF");
  CHECK(expanded("x{{ end }}") == "PARSE: template: __alert_A:1: unexpected {{end}}");
  CHECK(expanded("a\n{{ ) }}") == "PARSE: template: __alert_A:2: unexpected right paren");
  CHECK(expanded("{{ \"a }}") == "PARSE: template: __alert_A:1: unterminated quoted string");
  CHECK(expanded("{{ $labels.a-b }}") == "PARSE: template: __alert_A:1: bad character U+002D '-'");
  CHECK(expanded("{{ 1 | 2 }}") ==
        "PARSE: template: __alert_A:1: non executable command in pipeline stage 2");
}

TEST_CASE("a template cannot eat the machine") {
  CHECK(expanded("{{ define \"t\" }}{{ template \"t\" }}{{ end }}{{ template \"t\" }}")
            .find("exceeded maximum template depth") != std::string::npos);
  CHECK(expanded(std::string(5000, '(')).find("PARSE") == std::string::npos);
  CHECK(expanded("{{ " + std::string(5000, '(') + " }}").find("PARSE") == 0);
  CHECK(expanded("{{ range 100000 }}{{ range 100000 }}x{{ end }}{{ end }}")
            .find("<error expanding template: ") == 0);
}

/// Every text here is given to Debian's promtool as an annotation, with our output as the
/// expectation: Go's own text/template decides whether we are right, errors and their positions
/// included.
const std::vector<std::string> kOracle = {
    "{{ $value }} {{ .Value }} {{ $labels }} {{ .ExternalLabels }} {{ $externalURL }}|",
    "{{ . }}",
    "{{ humanize 0 }} {{ humanize 1 }} {{ humanize 999.9 }} {{ humanize 1e27 }} {{ humanize "
    "0.0001234 }} {{ humanize -1500 }}",
    "{{ humanize \"NaN\" }} {{ humanize \"+Inf\" }} {{ humanize \"-inf\" }} {{ humanize 1e-30 }} "
    "{{ humanize 123456789 }}",
    "{{ humanize1024 0 }} {{ humanize1024 1 }} {{ humanize1024 1023 }} {{ humanize1024 1024 }} {{ "
    "humanize1024 1e30 }}",
    "{{ humanizeDuration 0 }} {{ humanizeDuration 1 }} {{ humanizeDuration 59.9996 }} {{ "
    "humanizeDuration 60 }}",
    "{{ humanizeDuration 3600 }} {{ humanizeDuration 86400 }} {{ humanizeDuration -90061.5 }} {{ "
    "humanizeDuration 0.00123 }}",
    "{{ humanizeDuration \"Inf\" }} {{ humanizeDuration 1e-12 }} {{ humanizeDuration 899.99 }}",
    "{{ humanizePercentage 0.123456 }} {{ humanizePercentage 100 }} {{ humanizePercentage -0.5 }}",
    "{{ humanizeTimestamp 1643114203.125 }} {{ humanizeTimestamp 0 }} {{ humanizeTimestamp -1 }} "
    "{{ humanizeTimestamp \"NaN\" }}",
    "{{ printf \"%v %g %d %s %t\" $value $value $value $value $value }}",
    "{{ printf \"%5.2f|%-8d|%08d|%x|%X|%q|%t|%%|%+d|% d|%e|%E\" 3.14159 42 -7 \"hi\" 255 \"q\\n\" "
    "true 5 6 1234.5 0.5 }}",
    "{{ printf \"%.3g %.10g %g %G %v\" 1234567.0 1234567.0 1e6 1e-7 100000.0 }}",
    "{{ printf \"%s\" }} {{ printf \"x\" 1 \"y\" }} {{ printf \"%d %d\" 1 }} {{ printf \"%!\" 1 }} "
    "{{ printf \"%\" }}",
    "{{ printf \"%T %T %T %T\" 1 1.5 \"s\" true }} {{ printf \"%v %v\" nil $labels }}",
    "{{ printf \"%-10s|%10s|%.2s|%6.2f%%\" \"ab\" \"cd\" \"efg\" 99.5 }}",
    "{{ print 1 2 \"a\" \"b\" 3 4.5 }}|{{ println 1 \"x\" }}|{{ print }}",
    "{{ 1.5e3 }} {{ 1000000.0 }} {{ 0x1F }} {{ 017 }} {{ 'a' }} {{ -5 }} {{ +5.5 }} {{ 1e21 }} {{ "
    "123456.7 }} {{ 0.0001 }}",
    "{{ if and true \"x\" 1 }}yes{{ else }}no{{ end }} {{ or \"\" 0 \"z\" }} {{ and 1 \"\" 2 }}| "
    "{{ not 0 }}",
    "{{ if eq 1 2 3 1 }}a{{ end }}{{ if ne \"x\" \"y\" }}b{{ end }}{{ if lt 1 2 }}c{{ end }}{{ if "
    "ge 2.5 2.5 }}d{{ end }}",
    "{{ if gt $value 1 }}x{{ end }}",
    "{{ if gt $value 1.0 }}big{{ else if gt $value 0.5 }}middle{{ else }}small{{ end }}",
    "{{ if lt $value 1.0 }}small{{ else if gt $value 0.5 }}middle{{ else }}big{{ end }}",
    "{{ range $k, $v := $labels }}{{ $k }}={{ $v }},{{ end }}",
    "{{ range query \"x\" }}{{ .Labels.foo }}:{{ .Value }}{{ else }}none{{ end }}",
    "{{ range query \"vector(0) > 1\" }}some{{ else }}none{{ end }}",
    "{{ with query \"x\" }}{{ . | first | value }} {{ . | first | label \"foo\" }}{{ end }}",
    "{{ with $x := \"y\" }}{{ $x }}{{ end }}{{ $y := 1 }}{{ if true }}{{ $y = 2 }}{{ end }}{{ $y "
    "}}",
    "{{ query \"vector(1e20)\" | first | value }} {{ query \"vector(0.00001)\" | first | value }}",
    "{{ query \"x\" | sortByLabel \"foo\" | first | value | humanize }} {{ len (query \"x\") }} {{ "
    "len \"abc\" }} {{ len $labels }}",
    "{{ index $labels \"foo\" }} {{ index (query \"x\") 0 | value }} {{ index \"abc\" 1 }} {{ "
    "slice \"abcdef\" 1 3 }}",
    "a {{- \"b\" -}} c {{- /* comment */ -}} d {{/* another */}} e",
    "{{ `raw \\n` }} {{ \"tab\\tquote\\\"\\u00e9\\x41\" }}",
    "{{ define \"t\" }}<{{ . }}>{{ end }}{{ template \"t\" 5 }}{{ template \"t\" $labels.foo }}{{ "
    "template \"t\" }}",
    "{{ block \"b\" $value }}{{ . | humanize }}{{ end }}",
    "{{ define \"t\" }}{{ .arg0 }}-{{ .arg1 }}-{{ .arg7 }}{{ end }}{{ template \"t\" (args 1 "
    "\"z\") }}",
    "{{ reReplaceAll \"([a-z]+)-(\\\\d+)\" \"$2:${1}\" \"ab-12 cd-34\" }} {{ reReplaceAll \"x*\" "
    "\"-\" \"abxxc\" }}",
    "{{ reReplaceAll \"(?P<n>b)\" \"<${n}>$nope$$\" \"abc\" }} {{ reReplaceAll \"a\" \"b\" \"\" }}",
    "{{ match \"^a.c$\" \"abc\" }} {{ match \"b\" \"abc\" }} {{ match \"x\" \"abc\" }}",
    "{{ \"hello wide world-wide_web 3d\" | title }} {{ toUpper \"aZ\" }} {{ toLower \"AzQ\" }}",
    "{{ stripPort \"host:80\" }} {{ stripPort \"host\" }} {{ stripPort \"[::1]:9\" }} {{ stripPort "
    "\"1.2.3.4:5\" }} {{ stripPort \"a:b:c\" }}",
    "{{ stripDomain \"web.example.org:80\" }} {{ stripDomain \"web.example.org\" }} {{ stripDomain "
    "\"10.0.0.1:80\" }} {{ stripDomain \"[::1]:80\" }}",
    "{{ graphLink \"up{job=\\\"a b\\\"}\" }} {{ tableLink \"up\" }} {{ safeHtml \"<b>\" }}",
    "{{ parseDuration \"1h30m\" }} {{ parseDuration \"0\" }}",
    "{{ html \"<a href='x'>&\\\"\" }} {{ urlquery \"a b/c\" }} {{ js \"it's <x>\" }}",
    "{{ (query \"x\" | first).Labels.foo }} {{ (1643114203.0 | toTime).Year }}",
    "{{ query \"x(\" }}",
    "{{ $labels.foo.bar }}",
    "{{ query \"vector(0) > 1\" | first | value }}",
    "{{ humanize \"abc\" }}",
    "{{ humanize true }}",
    "{{ toUpper 5 }}",
    "{{ toUpper $value }}",
    "{{ $value | toUpper }}",
    "{{ index $labels 3 }}",
    "{{ .Nope }}",
    "{{ template \"nope\" }}",
    "{{ first 5 }}",
    "{{ value \"x\" }}",
    "{{ humanize }}",
    "{{ humanize 1 2 }}",
    "{{ 1 2 }}",
    "{{ $value 3 }}",
    "{{ nil }}",
    "{{ eq 1 }}",
    "{{ len 3 }}",
    "{{ range $value }}x{{ end }}",
    "line one\n{{ $labels.foo }}\n  {{ $labels.foo.bar }}",
    "{{ (index (query \"x\") 5) }}",
    "{{ parseDuration \"\" }}",
};

std::string json_text(std::string_view text) {
  std::string out;
  http::append_json_string(out, text);
  return out;
}

TEST_CASE("Go's own text/template, in promtool, gives the same bytes") {
  const auto promtool = testing::find_program("promtool");
  if (!promtool) return;
  std::string rules = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: x\n    annotations:\n";
  std::string test = fmt::format(
      "rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n- interval: 1m\n"
      "  external_labels: {{region: north}}\n  external_url: http://aerie.test:9707/sub\n"
      "  input_series:\n  - series: 'x{{foo=\"bar\",a=\"b\"}}'\n    values: '{0} {0}'\n"
      "  alert_rule_test:\n  - eval_time: 1m\n    alertname: A\n    exp_alerts:\n"
      "    - exp_labels: {{foo: bar, a: b}}\n      exp_annotations:\n",
      "1234567.891");
  for (size_t i = 0; i < kOracle.size(); ++i) {
    rules += fmt::format("      t{:02}: {}\n", i, json_text(kOracle[i]));
    test += fmt::format("        t{:02}: {}\n", i, json_text(expanded(kOracle[i])));
  }
  const testing::TemporaryFolder folder;
  folder.write("rules.yml", rules);
  const testing::Outcome outcome =
      testing::run_program({*promtool, "test", "rules", folder.write("test.yml", test)});
  INFO(outcome.output);
  CHECK(outcome.exit_code == 0);
}

}  // namespace
}  // namespace aerie::alerting
