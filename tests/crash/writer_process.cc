#include "tests/crash/writer_process.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

namespace aerie::crash {
namespace {

using Clock = std::chrono::steady_clock;

struct Writer {
  pid_t pid = 0;
  int out = -1;
};

Writer start(const std::vector<std::string>& arguments) {
  int ends[2];
  if (::pipe(ends) != 0) std::exit(2);
  Writer writer;
  writer.pid = ::fork();
  if (writer.pid == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    std::vector<char*> argv;
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    std::_Exit(127);
  }
  ::close(ends[1]);
  writer.out = ends[0];
  return writer;
}

}  // namespace

End run_writer(const std::vector<std::string>& arguments, std::chrono::milliseconds after,
               std::chrono::milliseconds at_most, Ledger& ledger) {
  const Writer writer = start(arguments);
  std::string rest;
  auto deadline = Clock::now() + at_most;
  bool first = true;
  bool killed = false;
  char buffer[1 << 16];
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (!killed && left <= 0) {
      ::kill(writer.pid, SIGKILL);
      killed = true;
    }
    pollfd poll_for{writer.out, POLLIN, 0};
    if (::poll(&poll_for, 1, killed ? -1 : static_cast<int>(left > 0 ? left : 0)) == 0) continue;
    const ssize_t n = ::read(writer.out, buffer, sizeof(buffer));
    if (n <= 0) break;
    if (first && after.count() > 0) deadline = Clock::now() + after;
    first = false;
    rest.append(buffer, static_cast<size_t>(n));
    size_t begin = 0;
    for (size_t end = rest.find('\n'); end != std::string::npos; end = rest.find('\n', begin)) {
      ledger.read_line(rest.substr(begin, end - begin));
      begin = end + 1;
    }
    rest.erase(0, begin);
  }
  ::close(writer.out);
  int status = 0;
  ::waitpid(writer.pid, &status, 0);
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) return End::Exited;
  return killed ? End::Killed : End::KilledItself;
}

}  // namespace aerie::crash
