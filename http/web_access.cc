#include "http/web_access.h"

#include <crypt.h>
#include <fmt/core.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/stat.h>

#include <array>
#include <utility>

#include "base/log.h"
#include "http/tls.h"

namespace aerie::http {
namespace {

constexpr int64_t kLookIntervalNs = 1'000'000'000;
constexpr size_t kRememberedPasswords = 1000;
// Compared with when there is no such user, so that the time of an answer does not tell which names
// there are. Cost 10, of a random password.
constexpr const char* kNobodysHash = "$2b$10$d2HiYzXh.mWaQA9hr1.6tea9KAYtr4ycTM2u.eVRys9adpzPK.fbe";

std::string decode_base64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    uint32_t value = 0;
    if (c >= 'A' && c <= 'Z') {
      value = static_cast<uint32_t>(c - 'A');
    } else if (c >= 'a' && c <= 'z') {
      value = static_cast<uint32_t>(c - 'a' + 26);
    } else if (c >= '0' && c <= '9') {
      value = static_cast<uint32_t>(c - '0' + 52);
    } else if (c == '+' || c == '/') {
      value = c == '+' ? 62 : 63;
    } else {
      break;
    }
    bits = bits << 6 | value;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xff);
  }
  return out;
}

const std::string* hash_of(const WebSettings& settings, std::string_view name) {
  const auto found = settings.config.users.find(name);
  return found == settings.config.users.end() ? nullptr : &found->second;
}

// Neither names nor passwords stay in memory.
std::string memory_key(const WebSettings& settings, const BasicCredential& credential) {
  const std::string* hash = hash_of(settings, credential.name);
  std::string all = credential.name;
  all.append(1, '\0').append(hash == nullptr ? "" : *hash).append(1, '\0');
  all += credential.password;
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(all.data()), all.size(), digest.data());
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

void add_stamp(std::string& stamp, const std::string& path) {
  struct stat found = {};
  if (path.empty()) return;
  if (stat(path.c_str(), &found) != 0) found = {};
  stamp += fmt::format("{}:{}:{}.{};", found.st_ino, found.st_size, found.st_mtim.tv_sec,
                       found.st_mtim.tv_nsec);
}

}  // namespace

AccessDecision decide_access(const Request& request, const std::string& member, OpenTo open_to,
                             const WebSettings& settings, const WebAccess& access) {
  const bool has_users = !settings.config.users.empty();
  const auto credential = has_users ? basic_credential(request) : std::nullopt;
  if (!member.empty() && open_to == OpenTo::Members) return {Access::Granted, {}};
  if (!member.empty() && !credential) {
    return {Access::Refused,
            Response::text(403, "the credential of cluster " + member +
                                    " lets it send its samples and alerts and nothing else\n")};
  }
  if (!has_users) return {Access::Granted, {}};
  if (!credential) return {Access::Refused, ask_for_password()};
  switch (access.recall(settings, *credential)) {
    case WebAccess::Password::Right: return {Access::Granted, {}};
    case WebAccess::Password::Wrong: return {Access::Refused, ask_for_password()};
    case WebAccess::Password::Unknown: break;
  }
  return {Access::ComputePassword, {}};
}

std::optional<BasicCredential> basic_credential(const Request& request) {
  const std::string_view header = request.headers.get("Authorization");
  constexpr std::string_view kScheme = "basic ";
  if (header.size() < kScheme.size()) return std::nullopt;
  for (size_t i = 0; i < kScheme.size(); ++i) {
    if ((header[i] | 0x20) != kScheme[i]) return std::nullopt;
  }
  const std::string decoded = decode_base64(header.substr(kScheme.size()));
  const size_t colon = decoded.find(':');
  if (colon == std::string::npos) return std::nullopt;
  return BasicCredential{decoded.substr(0, colon), decoded.substr(colon + 1)};
}

Response ask_for_password() {
  Response response = Response::text(401, "Unauthorized\n");
  response.headers.set("WWW-Authenticate", "Basic");
  return response;
}

Result<std::unique_ptr<WebAccess>> WebAccess::open(std::string path, const Clock& clock) {
  std::unique_ptr<WebAccess> access(new WebAccess(std::move(path), clock));
  auto settings = access->load();
  if (!settings) return std::move(settings).error();
  std::string stamp = access->stamp_of((*settings)->config);
  access->state_.with([&](State& state) {
    state.settings = std::move(*settings);
    state.stamp = std::move(stamp);
    state.looked_ns = clock.monotonic_ns();
  });
  return access;
}

std::string WebAccess::stamp_of(const WebConfig& config) const {
  std::string stamp;
  add_stamp(stamp, path_);
  if (!config.tls) return stamp;
  add_stamp(stamp, config.tls->cert_file);
  add_stamp(stamp, config.tls->key_file);
  add_stamp(stamp, config.tls->client_ca_file);
  return stamp;
}

Result<std::shared_ptr<const WebSettings>> WebAccess::load() const {
  auto settings = std::make_shared<WebSettings>();
  if (!path_.empty()) {
    auto config = WebConfig::load(path_);
    if (!config) return std::move(config).error();
    settings->config = std::move(*config);
    if (settings->config.tls) {
      auto context = make_tls_context(*settings->config.tls);
      if (!context) return std::move(context).error().with(path_);
      settings->tls = std::move(*context);
    }
  }
  return std::shared_ptr<const WebSettings>(std::move(settings));
}

std::shared_ptr<const WebSettings> WebAccess::settings() {
  const int64_t now_ns = clock_.monotonic_ns();
  std::string known;
  const auto current = state_.with([&](State& state) {
    if (now_ns - state.looked_ns >= kLookIntervalNs && !path_.empty()) {
      state.looked_ns = now_ns;
      known = state.stamp;
    }
    return state.settings;
  });
  if (known.empty()) return current;
  std::string stamp = stamp_of(current->config);
  if (stamp == known) return current;
  auto loaded = load();
  if (!loaded) {
    AERIE_LOG(Error, "web configuration was not read again; the old one stays in force",
              {"file", path_}, {"error", loaded.error().message()});
    state_.with([&](State& state) { state.stamp = std::move(stamp); });
    return current;
  }
  AERIE_LOG(Info, "web configuration read again", {"file", path_});
  stamp = stamp_of((*loaded)->config);
  state_.with([&](State& state) {
    state.settings = *loaded;
    state.stamp = std::move(stamp);
  });
  return *loaded;
}

WebAccess::Password WebAccess::recall(const WebSettings& settings,
                                      const BasicCredential& credential) const {
  const std::string key = memory_key(settings, credential);
  return state_.with([&](const State& state) {
    const auto found = state.passwords.find(key);
    if (found == state.passwords.end()) return Password::Unknown;
    return found->second ? Password::Right : Password::Wrong;
  });
}

bool WebAccess::check(const WebSettings& settings, const BasicCredential& credential) {
  const std::string* hash = hash_of(settings, credential.name);
  const std::string expected = hash == nullptr ? kNobodysHash : *hash;
  auto scratch = std::make_unique<crypt_data>();
  const char* computed = crypt_r(credential.password.c_str(), expected.c_str(), scratch.get());
  const bool equal = computed != nullptr && std::string_view(computed).size() == expected.size() &&
                     CRYPTO_memcmp(computed, expected.data(), expected.size()) == 0;
  const bool right =
      equal && hash != nullptr && credential.password.find('\0') == std::string::npos;
  std::string key = memory_key(settings, credential);
  state_.with([&](State& state) {
    if (state.passwords.size() >= kRememberedPasswords) state.passwords.clear();
    state.passwords.insert_or_assign(std::move(key), right);
  });
  return right;
}

}  // namespace aerie::http
