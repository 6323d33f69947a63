// aerie: parses flags, starts the application, waits for signals, stops it in order.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "base/log.h"
#include "server/application.h"
#include "server/config.h"
#include "server/flags.h"
#include "server/service_manager.h"

namespace {

using namespace aerie;

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;

/// Blocked before any thread starts, so that only sigwait() sees them.
sigset_t handled_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGHUP, SIGINT, SIGTERM}) sigaddset(&signals, number);
  return signals;
}

void tell_service_manager(server::ServiceState state) {
  if (const Status told = server::notify_service_manager(state); !told) {
    AERIE_LOG(Warn, "The service manager could not be told", {"err", told.error().message()});
  }
}

void serve_until_stopped(server::Application& application, const sigset_t& signals) {
  while (true) {
    int number = 0;
    if (sigwait(&signals, &number) != 0) continue;
    if (number != SIGHUP) {
      AERIE_LOG(Warn, "Received an OS signal, exiting gracefully...",
                {"signal", strsignal(number)});
      return;
    }
    tell_service_manager(server::ServiceState::Reloading);
    if (const Status reloaded = application.reload(); !reloaded) {
      AERIE_LOG(Error, "Error reloading config; the old one stays in force",
                {"err", reloaded.error().message()});
    }
    tell_service_manager(server::ServiceState::Ready);
  }
}

}  // namespace

int main(int argc, char** argv) {
  server::ParsedFlags parsed = server::parse_flags(argc, argv);
  if (!parsed.flags) {
    std::fputs(parsed.text.c_str(), parsed.exit_code == 0 ? stdout : stderr);
    return parsed.exit_code;
  }
  const server::Flags flags = std::move(*parsed.flags);
  configure_log(flags.log_level, flags.log_format);
  AERIE_LOG(Info, "Starting aerie", {"version", server::version_number()},
            {"revision", server::revision()}, {"pid", getpid()});

  server::Config config;
  if (!flags.config_file.empty()) {
    auto loaded = server::load_config(flags.config_file);
    if (!loaded) {
      AERIE_LOG(Error, "Error loading config", {"file", flags.config_file},
                {"err", loaded.error().message()});
      return kExitUsage;
    }
    config = std::move(*loaded);
  }

  const sigset_t signals = handled_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  auto application = server::Application::start(flags, std::move(config));
  if (!application) {
    AERIE_LOG(Error, "aerie could not start", {"err", application.error().message()});
    return kExitFailure;
  }
  tell_service_manager(server::ServiceState::Ready);
  serve_until_stopped(**application, signals);
  tell_service_manager(server::ServiceState::Stopping);

  // From here a second signal ends the process at once: what was acknowledged is on disk anyway.
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  const Status stopped = (*application)->stop();
  if (!stopped) {
    AERIE_LOG(Error, "aerie did not stop cleanly", {"err", stopped.error().message()});
    return kExitFailure;
  }
  AERIE_LOG(Info, "See you next time!");
  return 0;
}
