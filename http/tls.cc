#include "http/tls.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace aerie::http {
namespace {

namespace ssl = boost::asio::ssl;

Error bad(std::string what) { return Error(ErrorCode::InvalidArgument, std::move(what)); }

int version_of(const std::string& name) {
  if (name == "TLS10") return TLS1_VERSION;
  if (name == "TLS11") return TLS1_1_VERSION;
  return name == "TLS12" ? TLS1_2_VERSION : TLS1_3_VERSION;
}

// Go's names of the curves to OpenSSL's.
std::string curve_name(const std::string& name) {
  if (name == "CurveP256") return "P-256";
  if (name == "CurveP384") return "P-384";
  if (name == "CurveP521") return "P-521";
  return name;  // X25519
}

std::string joined(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) all.append(all.empty() ? "" : ":").append(name);
  return all;
}

Status set_ciphers(SSL_CTX* context, const TlsConfig& config) {
  if (!config.cipher_suites.empty()) {
    std::vector<std::string> names;
    for (const std::string& suite : config.cipher_suites) {
      const char* name = OPENSSL_cipher_name(suite.c_str());
      if (name == nullptr || std::string_view(name) == "(NONE)")
        return bad("unknown cipher suite: " + suite);
      names.emplace_back(name);
    }
    if (SSL_CTX_set_cipher_list(context, joined(names).c_str()) != 1)
      return bad("cipher_suites: none of them can be used");
  }
  if (!config.curve_preferences.empty()) {
    std::vector<std::string> names;
    for (const std::string& curve : config.curve_preferences) names.push_back(curve_name(curve));
    if (SSL_CTX_set1_groups_list(context, joined(names).c_str()) != 1)
      return bad("curve_preferences: unknown curve in " + joined(config.curve_preferences));
  }
  if (config.prefer_server_cipher_suites)
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
  return {};
}

Status set_client_auth(ssl::context& context, const TlsConfig& config) {
  boost::system::error_code error;
  if (!config.client_ca_file.empty()) {
    context.load_verify_file(config.client_ca_file, error);
    if (error) {
      return bad(fmt::format("client_ca_file {}: {}", config.client_ca_file, error.message()));
    }
    SSL_CTX_set_client_CA_list(context.native_handle(),
                               SSL_load_client_CA_file(config.client_ca_file.c_str()));
  }
  switch (config.client_auth) {
    case ClientAuth::NoClientCert: context.set_verify_mode(ssl::verify_none, error); break;
    case ClientAuth::VerifyClientCertIfGiven:
      context.set_verify_mode(ssl::verify_peer, error);
      break;
    case ClientAuth::RequireAndVerifyClientCert:
      context.set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert, error);
      break;
    case ClientAuth::RequestClientCert:
    case ClientAuth::RequireAnyClientCert: {
      // Whatever is shown is taken; verified_peer_names() does not believe it.
      ssl::verify_mode mode = ssl::verify_peer;
      if (config.client_auth == ClientAuth::RequireAnyClientCert)
        mode |= ssl::verify_fail_if_no_peer_cert;
      context.set_verify_mode(mode, error);
      SSL_CTX_set_cert_verify_callback(
          context.native_handle(),
          [](X509_STORE_CTX* store, void*) {
            X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
            return 1;
          },
          nullptr);
      break;
    }
  }
  return {};
}

void add_name(std::vector<std::string>& names, std::string_view kind, const ASN1_STRING* text) {
  const auto* data = reinterpret_cast<const char*>(ASN1_STRING_get0_data(text));
  const std::string value(data, static_cast<size_t>(ASN1_STRING_length(text)));
  if (value.find('\0') != std::string::npos) return;  // what looks shorter than it is
  names.push_back(std::string(kind) + ":" + value);
}

void add_address(std::vector<std::string>& names, const ASN1_OCTET_STRING* address) {
  char text[INET6_ADDRSTRLEN] = {};
  const int length = ASN1_STRING_length(address);
  if (length != 4 && length != 16) return;
  inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(address), text, sizeof(text));
  names.push_back(std::string("ip:") + text);
}

void add_alternative_names(std::vector<std::string>& names, const X509* certificate) {
  auto* all = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  if (all == nullptr) return;
  for (int i = 0; i < sk_GENERAL_NAME_num(all); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all, i);
    switch (name->type) {
      case GEN_DNS: add_name(names, "dns", name->d.dNSName); break;
      case GEN_URI: add_name(names, "uri", name->d.uniformResourceIdentifier); break;
      case GEN_EMAIL: add_name(names, "email", name->d.rfc822Name); break;
      case GEN_IPADD: add_address(names, name->d.iPAddress); break;
      default: break;
    }
  }
  GENERAL_NAMES_free(all);
}

}  // namespace

Result<std::shared_ptr<ssl::context>> make_tls_context(const TlsConfig& config) {
  ERR_clear_error();
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX* native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, version_of(config.min_version));
  SSL_CTX_set_max_proto_version(native, version_of(config.max_version));
  boost::system::error_code error;
  context->use_certificate_chain_file(config.cert_file, error);
  if (error) return bad(fmt::format("cert_file {}: {}", config.cert_file, error.message()));
  context->use_private_key_file(config.key_file, ssl::context::pem, error);
  if (error) return bad(fmt::format("key_file {}: {}", config.key_file, error.message()));
  if (SSL_CTX_check_private_key(native) != 1) {
    return bad(fmt::format("key_file {} does not belong to cert_file {}", config.key_file,
                           config.cert_file));
  }
  if (auto set = set_ciphers(native, config); !set) return std::move(set).error();
  if (auto set = set_client_auth(*context, config); !set) return std::move(set).error();
  // Sessions would outlive a change of the certificates that are asked for.
  SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(native, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  return context;
}

std::vector<std::string> verified_peer_names(SSL* connection) {
  std::vector<std::string> names;
  X509* certificate = SSL_get1_peer_certificate(connection);
  if (certificate == nullptr) return names;
  if (SSL_get_verify_result(connection) == X509_V_OK) {
    add_alternative_names(names, certificate);
    const X509_NAME* subject = X509_get_subject_name(certificate);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at >= 0) {
      const X509_NAME_ENTRY* entry = X509_NAME_get_entry(subject, at);
      add_name(names, "cn", X509_NAME_ENTRY_get_data(entry));
    }
  }
  X509_free(certificate);
  return names;
}

bool has_allowed_san(const std::vector<std::string>& peer_names,
                     const std::vector<std::string>& allowed) {
  if (allowed.empty()) return true;
  return std::any_of(peer_names.begin(), peer_names.end(), [&](const std::string& name) {
    const size_t colon = name.find(':');
    if (name.compare(0, colon, "cn") == 0) return false;
    return std::find(allowed.begin(), allowed.end(), name.substr(colon + 1)) != allowed.end();
  });
}

}  // namespace aerie::http
