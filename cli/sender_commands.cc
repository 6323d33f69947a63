#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "cli/commands.h"
#include "cli/sender_snippets.h"
#include "cli/tokens.h"

namespace aerie::cli {
namespace {

int complain(const Error& error) {
  std::fprintf(stderr, "%s\n", error.message().c_str());
  return 1;
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error(ErrorCode::NotFound, "cannot read " + path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// Beside the file first, then in its place: whoever reads it meanwhile sees one or the other.
Status replace_file(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".new";
  std::FILE* file = std::fopen(temporary.c_str(), "wb");
  if (file == nullptr) return Error(ErrorCode::IoError, "cannot write " + temporary);
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size() &&
                       std::fflush(file) == 0 && fsync(fileno(file)) == 0;
  const bool closed = std::fclose(file) == 0;
  if (!written || !closed || std::rename(temporary.c_str(), path.c_str()) != 0)
    return Error(ErrorCode::IoError, "cannot write " + path);
  return {};
}

}  // namespace

int run_generate(const std::string& kind, const SenderOptions& options) {
  const auto snippet = sender_snippet(kind, options);
  if (!snippet) return complain(snippet.error());
  std::fputs(snippet->c_str(), stdout);
  return 0;
}

int run_create_token(const TokenCommand& command) {
  const auto token = make_token();
  if (!token) return complain(token.error());
  const std::string entry = token_entry(*token);
  if (command.config_file.empty()) {
    std::fprintf(stderr,
                 "Put this among the tokens of cluster %s in aerie's configuration, reload aerie, "
                 "then give the token to the cluster:\n  - \"%s\"\n",
                 command.cluster.c_str(), entry.c_str());
  } else {
    const auto text = read_file(command.config_file);
    if (!text) return complain(text.error());
    const auto changed = add_token(*text, command.config_file, command.cluster, entry);
    if (!changed) return complain(changed.error());
    if (const auto written = replace_file(command.config_file, *changed); !written)
      return complain(written.error());
    std::fprintf(stderr, "%s now has %s; reload aerie, then give the token to the cluster.\n",
                 command.config_file.c_str(), entry.c_str());
  }
  std::printf("%s\n", token->c_str());
  return 0;
}

int run_revoke_token(const TokenCommand& command) {
  const auto text = read_file(command.config_file);
  if (!text) return complain(text.error());
  const bool hashed = command.token.rfind("sha256:", 0) == 0;
  const std::string entry = hashed ? command.token : token_entry(command.token);
  const auto changed = remove_token(*text, command.config_file, command.cluster, entry);
  if (!changed) return complain(changed.error());
  if (const auto written = replace_file(command.config_file, *changed); !written)
    return complain(written.error());
  std::fprintf(stderr, "%s is gone from %s; it is good until aerie is reloaded.\n", entry.c_str(),
               command.config_file.c_str());
  return 0;
}

}  // namespace aerie::cli
