#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace aerie::http {

/// Appends JSON to a string, commas and escapes included. Not thread-safe. Misuse (a value without
/// a key) aborts in debug builds.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& string(
      std::string_view value);  ///< invalid UTF-8 becomes U+FFFD, as Go's encoder does
  JsonWriter& integer(int64_t value);
  JsonWriter& number(double value);  ///< shortest; NaN and infinities become null
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  JsonWriter& raw(std::string_view json);  ///< an already encoded value
  JsonWriter& field(std::string_view name, std::string_view value) {
    return key(name).string(value);
  }
  JsonWriter& field(std::string_view name, int64_t value) { return key(name).integer(value); }

 private:
  void before_value();
  std::string& out_;
  std::vector<bool> has_items_;
  bool after_key_ = false;
};

/// Appends `text` as a JSON string with quotes.
void append_json_string(std::string& out, std::string_view text);

/// Prometheus's answers: {"status":"success","data":…} and
/// {"status":"error","errorType":…,"error":…}.
std::string success_envelope(std::string_view data_json);
std::string error_envelope(std::string_view error_type, std::string_view message);

}  // namespace aerie::http
