// The same with the real program: sends remote-write requests to a real `aerie`, kills it at a
// random moment, restarts it, and compares the store with the list of every request that was
// answered 2xx. crash_aerie AERIE ROUNDS     AERIE_CRASH_ROUNDS overrides ROUNDS, AERIE_SEED
// replays a run.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <snappy.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "http/client.h"
#include "store/byte_io.h"
#include "tests/crash/ledger.h"

namespace {

using namespace aerie;
using namespace std::chrono_literals;

constexpr int kRoundsPerStore = 10;  // then a fresh one, so that a round's check stays quick

void put_field(std::string& out, int number, std::string_view bytes) {
  store::put_varint(out, static_cast<uint64_t>(number) << 3 | 2);
  store::put_bytes(out, bytes);
}

/// prometheus.WriteRequest, snappy block.
std::string remote_write_body(const std::vector<crash::Expected>& samples) {
  std::string request;
  for (const crash::Expected& one : samples) {
    std::string series;
    for (const model::LabelView& label : one.labels) {
      std::string pair;
      put_field(pair, 1, label.name);
      put_field(pair, 2, label.value);
      put_field(series, 1, pair);
    }
    std::string sample = "\x09";
    store::put_fixed(sample, one.value);
    sample += "\x10";
    store::put_varint(sample, static_cast<uint64_t>(one.t));
    put_field(series, 2, sample);
    put_field(request, 1, series);
  }
  std::string body;
  snappy::Compress(request.data(), request.size(), &body);
  return body;
}

int free_port() {
  const int probe = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  const bool bound = ::bind(probe, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
                     ::getsockname(probe, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  ::close(probe);
  if (!bound) std::exit(2);
  return ntohs(address.sin_port);
}

pid_t start(const std::string& program, const std::string& path, int port) {
  const std::vector<std::string> arguments = {
      program, "--storage.path=" + path, "--web.listen-address=127.0.0.1:" + std::to_string(port),
      "--web.enable-admin-api", "--log.level=warn"};
  const std::string log = path + ".log";
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  std::_Exit(127);
}

/// One sender: each step is sent until it is acknowledged, as a Prometheus does.
void send(const std::string& url, const crash::Workload& workload, int thread,
          crash::Ledger& ledger, const std::atomic<bool>& stop, std::atomic<int>& refused) {
  http::Client client;
  auto step = static_cast<int64_t>(ledger.steps[static_cast<size_t>(thread)].size());
  for (; !stop; ++step) {
    http::ClientRequest request;
    request.method = http::Method::Post;
    request.url = url + "/api/v1/write";
    request.headers.set("Content-Type", "application/x-protobuf");
    request.headers.set("Content-Encoding", "snappy");
    request.headers.set("X-Prometheus-Remote-Write-Version", "0.1.0");
    request.body = remote_write_body(workload.batch(thread, step));
    ledger.sent(thread, step);
    while (!stop) {
      const auto answer = client.send(request);
      if (answer && answer->status / 100 == 2) {
        ledger.acknowledged(thread, step);
        break;
      }
      if (answer && answer->status / 100 == 4) {
        std::printf("refused: %d %s\n", answer->status, answer->body.c_str());
        ++refused;
        return;
      }
      std::this_thread::sleep_for(5ms);  // not up yet, or going down
    }
  }
}

/// Runs the server for about `after` once it acknowledges, then kills it. False if it ended by
/// itself or never started.
bool run_and_kill(const std::string& program, const std::string& path,
                  const crash::Workload& workload, std::chrono::milliseconds after, bool flush,
                  crash::Ledger& ledger) {
  const int port = free_port();
  const std::string url = "http://127.0.0.1:" + std::to_string(port);
  const pid_t pid = start(program, path, port);
  std::atomic<bool> stop{false};
  std::atomic<int> refused{0};
  std::vector<std::thread> senders;
  for (int thread = 0; thread < crash::kThreads; ++thread) {
    senders.emplace_back([&, thread] { send(url, workload, thread, ledger, stop, refused); });
  }
  http::Client client;
  const auto ready = [&] {
    http::ClientRequest request;
    request.url = url + "/-/ready";
    const auto answer = client.send(request);
    return answer && answer->status == 200;
  };
  const auto give_up = std::chrono::steady_clock::now() + 30s;
  while (!ready() && std::chrono::steady_clock::now() < give_up) std::this_thread::sleep_for(10ms);
  const auto end = std::chrono::steady_clock::now() + after;
  while (std::chrono::steady_clock::now() < end) {
    if (flush) {
      http::ClientRequest request;
      request.method = http::Method::Post;
      request.url = url + "/api/v1/admin/tsdb/flush";
      // In a thread of its own, so that the kill comes in the middle of it.
      std::thread([&client, request] {
        client.send(request).ignore("it is killed meanwhile");
      }).join();
    }
    std::this_thread::sleep_for(1ms);
  }
  std::thread last_flush;
  if (flush) {
    last_flush = std::thread([&client, url] {
      http::ClientRequest request;
      request.method = http::Method::Post;
      request.url = url + "/api/v1/admin/tsdb/flush";
      client.send(request).ignore("it is killed meanwhile");
    });
    std::this_thread::sleep_for(std::chrono::microseconds(after.count() * 37 % 20'000));
  }
  ::kill(pid, SIGKILL);
  int status = 0;
  ::waitpid(pid, &status, 0);
  stop = true;
  for (auto& sender : senders) sender.join();
  if (last_flush.joinable()) last_flush.join();
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && refused == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  configure_log(LogLevel::Warn, LogFormat::Logfmt);
  const char* given_rounds = std::getenv("AERIE_CRASH_ROUNDS");
  const int rounds = std::atoi(given_rounds != nullptr ? given_rounds : argv[2]);
  const char* given_seed = std::getenv("AERIE_SEED");
  const uint64_t seed =
      given_seed != nullptr ? std::strtoull(given_seed, nullptr, 10) : std::random_device{}();
  std::printf("rounds=%d AERIE_SEED=%llu\n", rounds, static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  std::string root = (std::filesystem::temp_directory_path() / "aerie-crash-XXXXXX").string();
  if (::mkdtemp(root.data()) == nullptr) return 2;
  // Old enough never to reach the future, young enough for the retention.
  const crash::Workload workload{seed, SystemClock().now_ms() - 10LL * 24 * 3600 * 1000};
  crash::Ledger ledger;
  uint64_t acknowledged = 0;
  std::string path;
  for (int round = 0; round < rounds; ++round) {
    if (round % kRoundsPerStore == 0) {
      if (!path.empty()) std::filesystem::remove_all(path);
      path = root + "/" + std::to_string(round);
      ledger = {};
    }
    const std::chrono::milliseconds after(random() % 700);
    const bool flush = random() % 2 == 0;
    const bool killed = run_and_kill(argv[1], path, workload, after, flush, ledger);
    const crash::Findings findings = crash::check_store(path, workload, ledger);
    crash::print(
        round,
        "flush=" + std::to_string(flush) + " killed_after_ms=" + std::to_string(after.count()),
        findings);
    acknowledged += findings.acknowledged;
    if (killed && findings.clean()) continue;
    std::printf("FAILED%s; the store is in %s\n",
                killed ? "" : ": aerie ended by itself or refused a request", path.c_str());
    return 1;
  }
  std::filesystem::remove_all(root);
  std::printf("ok\n");
  return acknowledged > 0 ? 0 : 1;
}
