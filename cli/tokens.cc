#include "cli/tokens.h"

#include <fmt/core.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "base/yaml_reader.h"
#include "server/config.h"

namespace aerie::cli {
namespace {

Error bad(std::string text) { return Error(ErrorCode::InvalidArgument, std::move(text)); }

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = text.find('\n', begin);
    lines.push_back(text.substr(begin, end == std::string::npos ? end : end - begin + 1));
    begin += lines.back().size();
  }
  return lines;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

/// The tokens of a cluster in a parsed file.
Result<YamlNode> tokens_node(const YamlNode& root, const std::string& cluster) {
  const auto clusters = root.get_sequence("clusters");
  if (!clusters) return clusters.error();
  for (const YamlNode& node : *clusters) {
    const auto name = node.get_string("name");
    if (!name || *name != cluster) continue;
    const auto tokens = node.find("tokens");
    if (tokens && tokens->is_sequence()) return *tokens;
    return node.error("cluster " + cluster + " has no tokens yet; add a line tokens: [...] to it");
  }
  return bad(
      fmt::format("there is no cluster {} in the file; add\n  - name: {}\n    tokens: [...]\n"
                  "to clusters",
                  cluster, cluster));
}

enum class Wanted { There, Gone };

/// What comes out must be a configuration in which the cluster has the token, or has it no more.
Result<std::string> checked(std::string text, const std::string& path, const std::string& cluster,
                            const std::string& entry, Wanted wanted) {
  const auto config = server::parse_config(text, path);
  if (!config) return config.error();
  for (const auto& binding : config->clusters) {
    if (binding.name != cluster) continue;
    const bool there = std::find(binding.token_sha256.begin(), binding.token_sha256.end(),
                                 entry.substr(7)) != binding.token_sha256.end();
    if (there == (wanted == Wanted::There)) return text;
  }
  return bad("the file is laid out in a way that cannot be edited here; change its tokens by hand");
}

/// Takes the entry with its quotes and one comma off a line; false if it is not on it.
bool take_off(std::string& line, const std::string& entry) {
  size_t begin = line.find(entry);
  if (begin == std::string::npos) return false;
  size_t end = begin + entry.size();
  const auto is_quote = [&](size_t at) {
    return at < line.size() && (line[at] == '"' || line[at] == '\'');
  };
  if (begin > 0 && is_quote(begin - 1)) --begin;
  if (is_quote(end)) ++end;
  const auto skip_spaces = [&] {
    while (end < line.size() && line[end] == ' ') ++end;
  };
  skip_spaces();
  if (end < line.size() && line[end] == ',') {
    ++end;
    skip_spaces();
  } else {
    size_t before = begin;
    while (before > 0 && line[before - 1] == ' ') --before;
    if (before > 0 && line[before - 1] == ',') begin = before - 1;
  }
  line.erase(begin, end - begin);
  return true;
}

}  // namespace

Result<std::string> make_token() {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::array<unsigned char, 32> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
    return Error(ErrorCode::IoError, "no random numbers to be had");
  std::string token = "aerie_";
  uint32_t bits = 0;
  int count = 0;
  for (const unsigned char byte : bytes) {
    bits = bits << 8 | byte;
    for (count += 8; count >= 6; count -= 6) token += kDigits[bits >> (count - 6) & 63];
  }
  token += kDigits[bits << (6 - count) & 63];
  return token;
}

std::string token_entry(std::string_view token) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), digest.data());
  std::string entry = "sha256:";
  for (const unsigned char byte : digest) entry += fmt::format("{:02x}", byte);
  return entry;
}

Result<std::string> add_token(const std::string& config, const std::string& path,
                              const std::string& cluster, const std::string& entry) {
  const auto root = YamlNode::parse(config, path);
  if (!root) return root.error();
  const auto tokens = tokens_node(*root, cluster);
  if (!tokens) return tokens.error();
  std::vector<std::string> lines = lines_of(config);
  std::string& line = lines[static_cast<size_t>(tokens->line()) - 1];
  const auto column = static_cast<size_t>(tokens->column()) - 1;
  if (column < line.size() && line[column] == '[') {
    const auto items = tokens->as_sequence();
    if (!items) return items.error();
    line.insert(column + 1, "\"" + entry + "\"" + (items->empty() ? "" : ", "));
  } else {
    const size_t dash = line.find('-');
    if (dash == std::string::npos) return bad("cannot find the tokens of " + cluster);
    line.insert(0, std::string(dash, ' ') + "- \"" + entry + "\"\n");
  }
  return checked(joined(lines), path, cluster, entry, Wanted::There);
}

Result<std::string> remove_token(const std::string& config, const std::string& path,
                                 const std::string& cluster, const std::string& entry) {
  const auto root = YamlNode::parse(config, path);
  if (!root) return root.error();
  const auto tokens = tokens_node(*root, cluster);
  if (!tokens) return tokens.error();
  const auto items = tokens->as_sequence();
  if (!items) return items.error();
  std::vector<std::string> lines = lines_of(config);
  for (const YamlNode& item : *items) {
    const auto text = item.as_string();
    if (!text || (*text != entry && "sha256:" + *text != entry)) continue;
    const auto at = static_cast<size_t>(item.line()) - 1;
    std::string& line = lines[at];
    const size_t first = line.find_first_not_of(' ');
    if (first != std::string::npos && line[first] == '-' && line.find('[') == std::string::npos &&
        line.compare(first, 2, "- ") == 0 && line.find("tokens") == std::string::npos) {
      lines.erase(lines.begin() + static_cast<ptrdiff_t>(at));
    } else if (!take_off(line, *text)) {
      return bad("cannot find the token in the file; remove it by hand");
    }
    return checked(joined(lines), path, cluster, entry, Wanted::Gone);
  }
  return bad("cluster " + cluster + " has no such token");
}

}  // namespace aerie::cli
