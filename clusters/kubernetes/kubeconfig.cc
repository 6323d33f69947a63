#include "clusters/kubernetes/kubeconfig.h"

#include <fmt/core.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "base/yaml_reader.h"

namespace aerie::clusters::kubernetes {
namespace {

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Error(ErrorCode::NotFound, fmt::format("{}: {}", path, std::strerror(errno)));
  return std::string{std::istreambuf_iterator<char>(in), {}};
}

/// The item called `name` of a list like `clusters`, and of it the part under `part`.
Result<YamlNode> named_item(const YamlNode& root, std::string_view list, std::string_view part,
                            const std::string& name) {
  auto items = root.get_sequence(list);
  if (!items) return std::move(items).error();
  for (const YamlNode& item : *items) {
    auto own = item.get_string("name");
    if (!own) return std::move(own).error();
    if (*own == name) return item.require(part);
  }
  return root.error(fmt::format("there is no {} '{}' in {}", part, name, list));
}

class Reader {
 public:
  explicit Reader(std::string path) : path_(std::move(path)) {}

  /// `key` names a file, `key`-data holds it in base64; empty when neither is there.
  Result<std::string> material(const YamlNode& node, const std::string& key) const {
    auto data = node.get_string(key + "-data");
    if (!data) return std::move(data).error();
    if (!data->empty()) {
      auto decoded = decode_base64(*data);
      if (!decoded) return node.error(key + "-data is no base64");
      return decoded;
    }
    auto name = file_name(node, key);
    if (!name || name->empty()) return name;
    auto text = read_file(*name);
    if (!text) return node.error(key + ": " + text.error().message());
    return text;
  }

  /// The file named under `key`, made absolute; empty when there is none.
  Result<std::string> file_name(const YamlNode& node, const std::string& key) const {
    auto name = node.get_string(key);
    if (!name || name->empty()) return name;
    return (std::filesystem::path(path_).parent_path() / *name).string();
  }

 private:
  const std::string path_;
};

Status refuse_unsupported(const YamlNode& cluster, const YamlNode& user) {
  constexpr std::array<std::string_view, 4> kLogins = {"exec", "auth-provider", "username", "as"};
  for (const std::string_view key : kLogins) {
    if (const auto found = user.find(key)) {
      return found->error(fmt::format(
          "{} is not supported: give a token, tokenFile or client certificate of a read-only user",
          key));
    }
  }
  for (const std::string_view key : {"proxy-url", "tls-server-name"}) {
    if (const auto found = cluster.find(key))
      return found->error(fmt::format("{} is not supported", key));
  }
  return {};
}

Status read_user(const YamlNode& user, const Reader& reader, ApiAccess& access,
                 http::TlsPeer& tls) {
  auto token = user.get_string("token");
  if (!token) return std::move(token).error();
  access.token = std::move(*token);
  auto token_file = reader.file_name(user, "tokenFile");
  if (!token_file) return std::move(token_file).error();
  access.token_file = std::move(*token_file);
  auto certificate = reader.material(user, "client-certificate");
  if (!certificate) return std::move(certificate).error();
  auto key = reader.material(user, "client-key");
  if (!key) return std::move(key).error();
  if (certificate->empty() != key->empty())
    return user.error("client-certificate and client-key go together");
  tls.certificate = std::move(*certificate);
  tls.key = std::move(*key);
  return {};
}

Status read_cluster(const YamlNode& cluster, const Reader& reader, ApiAccess& access,
                    http::TlsPeer& tls) {
  auto server = cluster.get_string("server");
  if (!server) return std::move(server).error();
  access.server = std::move(*server);
  while (access.server.ends_with('/')) access.server.pop_back();
  if (!access.server.starts_with("https://") && !access.server.starts_with("http://"))
    return cluster.error("server must be an http or https address");
  auto authorities = reader.material(cluster, "certificate-authority");
  if (!authorities) return std::move(authorities).error();
  tls.authorities = std::move(*authorities);
  auto skip = cluster.get_boolean("insecure-skip-tls-verify", false);
  if (!skip) return std::move(skip).error();
  tls.verify = !*skip;
  return {};
}

int sextet(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

}  // namespace

Result<std::string> decode_base64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  int padding = 0;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == ' ') continue;
    const int value = sextet(c);
    if (c == '=' && ++padding <= 2) continue;
    if (value < 0 || padding > 0) return Error(ErrorCode::InvalidArgument, "no base64");
    bits = (bits << 6 | static_cast<uint32_t>(value)) & 0xffffff;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(bits >> count & 0xff);
    }
  }
  if (count == 6) return Error(ErrorCode::InvalidArgument, "base64 ends too early");
  return out;
}

Result<ApiAccess> parse_kubeconfig(std::string_view text, const std::string& path,
                                   const std::string& context) {
  auto root = YamlNode::parse(text, path);
  if (!root) return std::move(root).error();
  std::string wanted = context;
  if (wanted.empty()) {
    auto current = root->get_string("current-context");
    if (!current) return std::move(current).error();
    if (current->empty()) return root->error("current-context is missing; name a context");
    wanted = std::move(*current);
  }
  auto chosen = named_item(*root, "contexts", "context", wanted);
  if (!chosen) return std::move(chosen).error();
  auto cluster_name = chosen->get_string("cluster");
  if (!cluster_name) return std::move(cluster_name).error();
  auto user_name = chosen->get_string("user");
  if (!user_name) return std::move(user_name).error();
  auto cluster = named_item(*root, "clusters", "cluster", *cluster_name);
  if (!cluster) return std::move(cluster).error();
  auto user = named_item(*root, "users", "user", *user_name);
  if (!user) return std::move(user).error();
  if (Status fine = refuse_unsupported(*cluster, *user); !fine) return std::move(fine).error();
  const Reader reader(path);
  ApiAccess access;
  auto tls = std::make_shared<http::TlsPeer>();
  if (Status read = read_cluster(*cluster, reader, access, *tls); !read)
    return std::move(read).error();
  if (Status read = read_user(*user, reader, access, *tls); !read) return std::move(read).error();
  access.tls = std::move(tls);
  return access;
}

Result<ApiAccess> load_kubeconfig(const std::string& path, const std::string& context) {
  auto text = read_file(path);
  if (!text) return std::move(text).error().with("kubeconfig");
  return parse_kubeconfig(*text, path, context);
}

}  // namespace aerie::clusters::kubernetes
