#include "tests/alerting/support/programs.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/source_folder.h"

namespace aerie::alerting::testing {
namespace {

/// Starts a child with both outputs on `output`.
int start(const std::vector<std::string>& arguments, int output,
          const std::string& working_folder = ".") {
  const int pid = ::fork();
  if (pid != 0) return pid;
  if (::chdir(working_folder.c_str()) != 0) ::_exit(126);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  std::vector<char*> words;
  for (const std::string& argument : arguments)
    words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  ::execv(words[0], words.data());
  ::_exit(127);
}

}  // namespace

std::optional<std::string> find_program(const std::string& name) {
  std::vector<std::string> folders = {tests::source_folder() + "/build/third_party/usr/bin"};
  if (const char* folder = std::getenv("AERIE_PROGRAMS")) folders.insert(folders.begin(), folder);
  for (const std::string& folder : folders) {
    const std::string path = folder + "/" + name;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  std::fprintf(stderr, "SKIPPED: %s is absent; tools/fetch-servers brings it\n", name.c_str());
  return std::nullopt;
}

Outcome run_program(const std::vector<std::string>& arguments) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {};
  const int pid = start(arguments, ends[1]);
  ::close(ends[1]);
  Outcome outcome;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    outcome.output.append(buffer, static_cast<size_t>(n));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
  return outcome;
}

Child::Child(const std::vector<std::string>& arguments, const std::string& log_file,
             const std::string& working_folder) {
  const int log = ::open(log_file.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
  pid_ = start(arguments, log, working_folder);
  ::close(log);
}

Child::~Child() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  int status = 0;
  ::waitpid(pid_, &status, 0);
}

bool Child::running() const { return pid_ > 0 && ::kill(pid_, 0) == 0; }

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "aerie-alerting-XXXXXX").string();
  path_ = ::mkdtemp(pattern.data());
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::write(const std::string& name, const std::string& content) const {
  const std::string path = path_ + "/" + name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

std::unique_ptr<RealAlertmanager> RealAlertmanager::start() {
  const auto program = find_program("prometheus-alertmanager");
  if (!program) return nullptr;
  std::unique_ptr<RealAlertmanager> self(new RealAlertmanager());
  const std::string& folder = self->folder_.path();
  // Debian's program reads its templates from one fixed path, where nothing is installed. A copy of
  // it looks below its working folder: the same number of bytes in the place of the old path.
  const std::string old_path = "/usr/share/prometheus/alertmanager";
  std::ifstream input(*program, std::ios::binary);
  std::string content((std::istreambuf_iterator<char>(input)), std::istreambuf_iterator<char>());
  const std::string same_length =
      std::string("share") + std::string(old_path.size() - 28, '/') + "prometheus/alertmanager";
  for (size_t at = 0; (at = content.find(old_path, at)) != std::string::npos;
       at += old_path.size()) {
    content.replace(at, old_path.size(), same_length);
  }
  const std::string copy = self->folder_.write("alertmanager", content);
  ::chmod(copy.c_str(), 0755);
  const auto share = std::filesystem::canonical(*program).parent_path().parent_path() / "share";
  std::filesystem::create_directory_symlink(share, folder + "/share");
  self->folder_.write("am.yml", "route: {receiver: none}\nreceivers: [{name: none}]\n");
  const std::string address = "127.0.0.1:" + std::to_string(free_port());
  self->url_ = "http://" + address;
  self->child_ = std::make_unique<Child>(
      std::vector<std::string>{copy, "--config.file=am.yml", "--storage.path=data",
                               "--web.listen-address=" + address, "--cluster.listen-address="},
      folder + "/log", folder);
  return self;
}

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  int port = 0;
  if (::bind(socket, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
      ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) == 0) {
    port = ntohs(address.sin_port);
  }
  ::close(socket);
  return port;
}

}  // namespace aerie::alerting::testing
