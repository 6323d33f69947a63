#pragma once

#include <memory>
#include <string>

namespace aerie::http::test {

struct KeyPair {
  std::string certificate;  ///< PEM
  std::string key;          ///< PEM
};

/// A certificate that signs others, and those it signs. Keys are P-256, valid for an hour.
class Authority {
 public:
  Authority();
  ~Authority();
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  std::string certificate() const;  ///< PEM
  /// `alternative_names` as OpenSSL writes them: `DNS:localhost,URI:spiffe://eu`; may be empty.
  KeyPair issue(const std::string& common_name, const std::string& alternative_names);

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

void write_file(const std::string& path, const std::string& text);

}  // namespace aerie::http::test
