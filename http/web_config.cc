#include "http/web_config.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/yaml_reader.h"

namespace aerie::http {
namespace {

constexpr std::array<std::pair<std::string_view, ClientAuth>, 5> kClientAuths = {{
    {"NoClientCert", ClientAuth::NoClientCert},
    {"RequestClientCert", ClientAuth::RequestClientCert},
    {"RequireAnyClientCert", ClientAuth::RequireAnyClientCert},
    {"VerifyClientCertIfGiven", ClientAuth::VerifyClientCertIfGiven},
    {"RequireAndVerifyClientCert", ClientAuth::RequireAndVerifyClientCert},
}};
// The headers that exporter-toolkit lets an operator set.
constexpr std::array<std::string_view, 6> kHeaders = {
    "Content-Security-Policy", "X-Frame-Options",           "X-Content-Type-Options",
    "X-XSS-Protection",        "Strict-Transport-Security", "Cache-Control"};

std::string beside(const std::string& config_path, const std::string& name) {
  const std::filesystem::path path(name);
  if (name.empty() || path.is_absolute()) return name;
  return (std::filesystem::path(config_path).parent_path() / path).string();
}

Status read_client_auth(const YamlNode& node, TlsConfig& tls) {
  auto name = node.get_string("client_auth_type");
  if (!name) return std::move(name).error();
  if (*name == "RequireClientCert") *name = "RequireAnyClientCert";  // the toolkit's own alias
  if (!name->empty()) {
    const auto found = std::find_if(kClientAuths.begin(), kClientAuths.end(),
                                    [&](const auto& entry) { return entry.first == *name; });
    if (found == kClientAuths.end()) return node.error("unknown client_auth_type: " + *name);
    tls.client_auth = found->second;
  }
  auto sans = node.get_strings("client_allowed_sans");
  if (!sans) return std::move(sans).error();
  tls.client_allowed_sans = std::move(*sans);
  const bool verifies = tls.client_auth == ClientAuth::VerifyClientCertIfGiven ||
                        tls.client_auth == ClientAuth::RequireAndVerifyClientCert;
  if (!verifies && !tls.client_ca_file.empty() && tls.client_auth == ClientAuth::NoClientCert)
    return node.error("client_ca_file is set, but client_auth_type asks for no certificate");
  if (verifies && tls.client_ca_file.empty())
    return node.error("client_auth_type needs client_ca_file");
  return {};
}

Status read_versions(const YamlNode& node, TlsConfig& tls) {
  for (const auto& [key, version] :
       {std::pair{"min_version", &tls.min_version}, std::pair{"max_version", &tls.max_version}}) {
    auto text = node.get_string(key, *version);
    if (!text) return std::move(text).error();
    if (*text != "TLS10" && *text != "TLS11" && *text != "TLS12" && *text != "TLS13")
      return node.error("unknown TLS version: " + *text + "; there are TLS10 to TLS13");
    *version = std::move(*text);
  }
  auto suites = node.get_strings("cipher_suites");
  if (!suites) return std::move(suites).error();
  tls.cipher_suites = std::move(*suites);
  auto curves = node.get_strings("curve_preferences");
  if (!curves) return std::move(curves).error();
  tls.curve_preferences = std::move(*curves);
  const auto prefer = node.get_boolean("prefer_server_cipher_suites", true);
  if (!prefer) return prefer.error();
  tls.prefer_server_cipher_suites = *prefer;
  return {};
}

Status read_tls(const YamlNode& node, const std::string& path, WebConfig& config) {
  if (auto known =
          node.expect_keys({"cert_file", "key_file", "client_ca_file", "client_auth_type",
                            "client_allowed_sans", "min_version", "max_version", "cipher_suites",
                            "curve_preferences", "prefer_server_cipher_suites"});
      !known) {
    return known;
  }
  TlsConfig tls;
  for (const auto& [key, file] :
       {std::pair{"cert_file", &tls.cert_file}, std::pair{"key_file", &tls.key_file},
        std::pair{"client_ca_file", &tls.client_ca_file}}) {
    auto name = node.get_string(key);
    if (!name) return std::move(name).error();
    *file = beside(path, *name);
  }
  if (tls.cert_file.empty()) return node.error("missing cert_file");
  if (tls.key_file.empty()) return node.error("missing key_file");
  if (auto read = read_client_auth(node, tls); !read) return read;
  if (auto read = read_versions(node, tls); !read) return read;
  config.tls = std::move(tls);
  return {};
}

Status read_server(const YamlNode& node, WebConfig& config) {
  if (auto known = node.expect_keys({"http2", "headers"}); !known) return known;
  if (const auto http2 = node.get_boolean("http2", true); !http2) return http2.error();
  const auto headers = node.find("headers");
  if (!headers) return {};
  if (auto known = headers->expect_keys(kHeaders); !known) return known;
  auto values = headers->as_string_map();
  if (!values) return std::move(values).error();
  config.headers = std::move(*values);
  return {};
}

Status read_users(const YamlNode& node, WebConfig& config) {
  const auto users = node.as_string_map();
  if (!users) return users.error();
  for (const auto& [name, hash] : *users) {
    const bool bcrypt = hash.size() == 60 && hash[0] == '$' && hash[1] == '2' && hash[3] == '$';
    if (!bcrypt) {
      return node.error("the password of user " + name +
                        " must be a bcrypt hash; make one with: htpasswd -nBC 10 \"\" | tr -d ':'");
    }
    config.users.emplace(name, hash);
  }
  return {};
}

}  // namespace

Result<WebConfig> WebConfig::parse(std::string_view text, const std::string& path) {
  auto root = YamlNode::parse(text, path);
  if (!root) return std::move(root).error();
  if (auto known =
          root->expect_keys({"tls_server_config", "http_server_config", "basic_auth_users"});
      !known) {
    return std::move(known).error();
  }
  WebConfig config;
  if (const auto node = root->find("tls_server_config"); node && !node->is_null()) {
    if (auto read = read_tls(*node, path, config); !read) return std::move(read).error();
  }
  if (const auto node = root->find("http_server_config")) {
    if (auto read = read_server(*node, config); !read) return std::move(read).error();
  }
  if (const auto node = root->find("basic_auth_users")) {
    if (auto read = read_users(*node, config); !read) return std::move(read).error();
  }
  return config;
}

Result<WebConfig> WebConfig::load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return Error(ErrorCode::NotFound,
                 "cannot read web configuration file " + path + "; check --web.config.file");
  }
  const std::string text(std::istreambuf_iterator<char>(file), {});
  return parse(text, path);
}

}  // namespace aerie::http
