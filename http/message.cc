#include "http/message.h"

#include <algorithm>

namespace aerie::http {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Length 3 if `text` begins with a whole escape, whose byte is then stored.
bool decode_escape(std::string_view text, char& byte) {
  if (text.size() < 3 || text[0] != '%') return false;
  const int high = hex_digit(text[1]);
  const int low = hex_digit(text[2]);
  if (high < 0 || low < 0) return false;
  byte = static_cast<char>(high * 16 + low);
  return true;
}

enum class Plus { IsSpace, IsPlus };

std::string decode(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char byte = text[i];
    if (byte == '+' && plus == Plus::IsSpace) byte = ' ';
    if (byte == '%' && decode_escape(text.substr(i), byte)) i += 2;
    out.push_back(byte);
  }
  return out;
}

bool unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

}  // namespace

std::string_view method_name(Method method) {
  switch (method) {
    case Method::Get: return "GET";
    case Method::Head: return "HEAD";
    case Method::Post: return "POST";
    case Method::Put: return "PUT";
    case Method::Delete: return "DELETE";
    case Method::Options: return "OPTIONS";
    case Method::Other: break;
  }
  return "OTHER";
}

std::string_view Headers::get(std::string_view name) const {
  for (const auto& [field, value] : fields_) {
    if (same_name(field, name)) return value;
  }
  return {};
}

bool Headers::has(std::string_view name) const {
  return std::any_of(fields_.begin(), fields_.end(),
                     [name](const auto& field) { return same_name(field.first, name); });
}

Headers& Headers::set(std::string_view name, std::string_view value) {
  fields_.erase(std::remove_if(fields_.begin(), fields_.end(),
                               [name](const auto& field) { return same_name(field.first, name); }),
                fields_.end());
  return add(name, value);
}

Headers& Headers::add(std::string_view name, std::string_view value) {
  fields_.emplace_back(name, value);
  return *this;
}

Parameters Parameters::parse(std::string_view encoded) {
  Parameters parameters;
  while (!encoded.empty()) {
    const size_t end = std::min(encoded.find('&'), encoded.size());
    const std::string_view pair = encoded.substr(0, end);
    encoded.remove_prefix(std::min(end + 1, encoded.size()));
    if (pair.empty()) continue;
    const size_t equals = std::min(pair.find('='), pair.size());
    const std::string_view value = pair.substr(std::min(equals + 1, pair.size()));
    parameters.add(decode(pair.substr(0, equals), Plus::IsSpace), decode(value, Plus::IsSpace));
  }
  return parameters;
}

std::string_view Parameters::get(std::string_view name) const {
  for (const auto& [key, value] : values_) {
    if (key == name) return value;
  }
  return {};
}

bool Parameters::has(std::string_view name) const {
  return std::any_of(values_.begin(), values_.end(),
                     [name](const auto& pair) { return pair.first == name; });
}

std::vector<std::string> Parameters::all(std::string_view name) const {
  std::vector<std::string> found;
  for (const auto& [key, value] : values_) {
    if (key == name) found.push_back(value);
  }
  return found;
}

std::string percent_decode(std::string_view text) { return decode(text, Plus::IsPlus); }

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (unreserved(c)) {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(kHex[byte >> 4]);
    out.push_back(kHex[byte & 15]);
  }
  return out;
}

std::string_view Request::bearer_token() const {
  constexpr std::string_view kScheme = "Bearer ";
  std::string_view value = headers.get("Authorization");
  if (!same_name(value.substr(0, kScheme.size()), kScheme)) return {};
  value.remove_prefix(kScheme.size());
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
  return value;
}

Response Response::text(int status, std::string body) {
  Response response{status, {}, std::move(body)};
  response.headers.set("Content-Type", "text/plain; charset=utf-8");
  return response;
}

Response Response::json(int status, std::string body) {
  Response response{status, {}, std::move(body)};
  response.headers.set("Content-Type", "application/json");
  return response;
}

Response Response::no_content() { return Response{204, {}, {}}; }

}  // namespace aerie::http
