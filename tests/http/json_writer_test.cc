#include "http/json_writer.h"

#include <catch2/catch.hpp>
#include <limits>

namespace aerie::http {

TEST_CASE("commas and nesting are written as JSON wants them") {
  std::string out;
  JsonWriter json(out);
  json.begin_object()
      .field("name", "nginx")
      .field("ready", int64_t{-3})
      .key("causes")
      .begin_array();
  json.begin_object().end_object().begin_array().integer(1).boolean(false).null().end_array();
  json.end_array()
      .key("ratio")
      .number(0.1)
      .key("done")
      .boolean(true)
      .key("raw")
      .raw("[1]")
      .end_object();
  CHECK(
      out ==
      R"({"name":"nginx","ready":-3,"causes":[{},[1,false,null]],"ratio":0.1,"done":true,"raw":[1]})");
}

TEST_CASE("numbers are the shortest that read back, and never invalid JSON") {
  const auto written = [](double value) {
    std::string out;
    JsonWriter(out).number(value);
    return out;
  };
  CHECK(written(0) == "0");
  CHECK(written(-0.5) == "-0.5");
  CHECK(written(0.1 + 0.2) == "0.30000000000000004");
  CHECK(written(1e300) == "1e+300");
  CHECK(written(std::numeric_limits<double>::quiet_NaN()) == "null");
  CHECK(written(-std::numeric_limits<double>::infinity()) == "null");
}

TEST_CASE("strings escape what JSON forbids and replace broken UTF-8") {
  const auto written = [](std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
  };
  CHECK(written("") == R"("")");
  CHECK(written("a\"b\\c\n\r\t\x01\x7f") == "\"a\\\"b\\\\c\\n\\r\\t\\u0001\x7f\"");
  CHECK(written("Lothlórien 森 🌳") == "\"Lothlórien 森 🌳\"");
  CHECK(written("\xff") == R"("\ufffd")");
  CHECK(written("x\xc3") == R"("x\ufffd")");                              // cut off
  CHECK(written("\xc0\xaf") == R"("\ufffd\ufffd")");                      // overlong slash
  CHECK(written("\xed\xa0\x80") == R"("\ufffd\ufffd\ufffd")");            // surrogate
  CHECK(written("\xf4\x90\x80\x80") == R"("\ufffd\ufffd\ufffd\ufffd")");  // past U+10FFFF
}

TEST_CASE("the envelopes are Prometheus's") {
  CHECK(success_envelope("[]") == R"({"status":"success","data":[]})");
  CHECK(error_envelope("bad_data", "a \"b\"") ==
        R"({"status":"error","errorType":"bad_data","error":"a \"b\""})");
}

}  // namespace aerie::http
