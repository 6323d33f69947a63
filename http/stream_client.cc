#include "http/stream_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>
#include <vector>

namespace aerie::http {
namespace {

constexpr long kConnectTimeoutMs = 10'000;
constexpr long kReuseWithinSeconds = 1;

struct HandleDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct MultiDeleter {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

struct Transfer {
  std::unique_ptr<CURL, HandleDeleter> handle;
  std::unique_ptr<curl_slist, ListDeleter> headers;
  std::string url;
  std::shared_ptr<const TlsPeer> tls;  // libcurl refers to its texts
  StreamClient::OnData on_data;
  StreamClient::OnEnd on_end;
  std::string arrived;  // not handed over yet
  char detail[CURL_ERROR_SIZE] = {};
  std::chrono::seconds retry_after{0};
};

/// libcurl forbids to start and cancel within its callbacks: the bytes are only put aside here.
size_t put_aside(char* data, size_t size, size_t count, void* target) {
  static_cast<Transfer*>(target)->arrived.append(data, size * count);
  return size * count;
}

size_t read_header(char* data, size_t size, size_t count, void* target) {
  const std::string_view line(data, size * count);
  constexpr std::string_view kName = "retry-after:";
  const auto same = [](char a, char b) { return (a | 0x20) == (b | 0x20); };
  if (line.size() > kName.size() && std::equal(kName.begin(), kName.end(), line.begin(), same)) {
    std::string_view value = line.substr(kName.size());
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    int64_t seconds = 0;
    std::from_chars(value.data(), value.data() + value.size(), seconds);
    static_cast<Transfer*>(target)->retry_after =
        std::chrono::seconds(std::clamp<int64_t>(seconds, 0, 3600));
  }
  return size * count;
}

curl_blob blob_of(const std::string& text) {
  return {const_cast<char*>(text.data()), text.size(), CURL_BLOB_NOCOPY};
}

void set_tls(CURL* curl, const TlsPeer& tls) {
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, tls.verify ? 1L : 0L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, tls.verify ? 2L : 0L);
  if (!tls.authorities.empty()) {
    curl_blob blob = blob_of(tls.authorities);
    curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
    curl_easy_setopt(curl, CURLOPT_CAPATH, nullptr);
  }
  if (!tls.certificate.empty()) {
    curl_blob certificate = blob_of(tls.certificate);
    curl_blob key = blob_of(tls.key);
    curl_easy_setopt(curl, CURLOPT_SSLCERT_BLOB, &certificate);
    curl_easy_setopt(curl, CURLOPT_SSLKEY_BLOB, &key);
  }
}

void set_up(Transfer& transfer, const StreamRequest& request, uint64_t id) {
  CURL* curl = transfer.handle.get();
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer.detail);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  curl_easy_setopt(curl, CURLOPT_MAXAGE_CONN, kReuseWithinSeconds);
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  curl_easy_setopt(curl, CURLOPT_PIPEWAIT, 1L);
  curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "gzip");
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "aerie");
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, put_aside);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, read_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_PRIVATE, reinterpret_cast<void*>(static_cast<uintptr_t>(id)));
  for (const auto& [name, value] : request.headers.all()) {
    const std::string line = name + ": " + value;
    if (curl_slist* longer = curl_slist_append(transfer.headers.get(), line.c_str())) {
      static_cast<void>(transfer.headers.release());
      transfer.headers.reset(longer);
    }
  }
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, transfer.headers.get());
  if (request.tls) set_tls(curl, *request.tls);
}

Error transport_error(const Transfer& transfer, CURLcode code) {
  const std::string text = transfer.detail[0] != '\0' ? transfer.detail : curl_easy_strerror(code);
  const std::string message = "GET " + transfer.url.substr(0, transfer.url.find('?')) + ": " + text;
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT: return {ErrorCode::DeadlineExceeded, message};
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return {ErrorCode::InvalidArgument, message};
    default: return {ErrorCode::Unavailable, message};
  }
}

}  // namespace

struct StreamClient::State {
  // Destroyed after the transfers, which are taken out of it first.
  std::unique_ptr<CURLM, MultiDeleter> multi;
  std::map<uint64_t, std::unique_ptr<Transfer>> transfers;
  uint64_t last_id = 0;

  Transfer* find(uint64_t id) const {
    const auto found = transfers.find(id);
    return found == transfers.end() ? nullptr : found->second.get();
  }
  std::unique_ptr<Transfer> take(uint64_t id) {
    const auto found = transfers.find(id);
    if (found == transfers.end()) return nullptr;
    auto transfer = std::move(found->second);
    transfers.erase(found);
    curl_multi_remove_handle(multi.get(), transfer->handle.get());
    return transfer;
  }
  void hand_over(uint64_t id);
  void finish(uint64_t id, CURLcode code);
};

StreamClient::StreamClient() : state_(std::make_unique<State>()) {
  [[maybe_unused]] static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  state_->multi.reset(curl_multi_init());
}

StreamClient::~StreamClient() {
  while (!state_->transfers.empty()) cancel(state_->transfers.begin()->first);
}

uint64_t StreamClient::start(const StreamRequest& request, OnData on_data, OnEnd on_end) {
  const uint64_t id = ++state_->last_id;
  auto transfer = std::make_unique<Transfer>();
  transfer->handle.reset(curl_easy_init());
  transfer->url = request.url;
  transfer->tls = request.tls;
  transfer->on_data = std::move(on_data);
  transfer->on_end = std::move(on_end);
  set_up(*transfer, request, id);
  curl_multi_add_handle(state_->multi.get(), transfer->handle.get());
  state_->transfers.emplace(id, std::move(transfer));
  return id;
}

void StreamClient::cancel(uint64_t id) { state_->take(id); }

void StreamClient::State::hand_over(uint64_t id) {
  Transfer* transfer = find(id);
  if (!transfer || transfer->arrived.empty()) return;
  const std::string arrived = std::exchange(transfer->arrived, {});
  long status = 0;
  curl_easy_getinfo(transfer->handle.get(), CURLINFO_RESPONSE_CODE, &status);
  // Copied: the callback may cancel its own transfer.
  const OnData on_data = transfer->on_data;
  on_data(static_cast<int>(status), arrived);
}

void StreamClient::State::finish(uint64_t id, CURLcode code) {
  hand_over(id);
  const auto transfer = take(id);
  if (!transfer) return;
  if (code != CURLE_OK) return transfer->on_end(transport_error(*transfer, code));
  long status = 0;
  curl_easy_getinfo(transfer->handle.get(), CURLINFO_RESPONSE_CODE, &status);
  transfer->on_end(StreamEnd{static_cast<int>(status), transfer->retry_after});
}

void StreamClient::wait(std::chrono::milliseconds timeout) {
  CURLM* multi = state_->multi.get();
  int running = 0;
  curl_multi_perform(multi, &running);
  curl_multi_poll(multi, nullptr, 0, static_cast<int>(timeout.count()), nullptr);
  curl_multi_perform(multi, &running);
  std::vector<uint64_t> ids;
  for (const auto& [id, transfer] : state_->transfers) {
    if (!transfer->arrived.empty()) ids.push_back(id);
  }
  for (const uint64_t id : ids) state_->hand_over(id);
  std::vector<std::pair<uint64_t, CURLcode>> ended;
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    void* id = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &id);
    ended.emplace_back(reinterpret_cast<uintptr_t>(id), message->data.result);
  }
  for (const auto& [id, code] : ended) state_->finish(id, code);
}

void StreamClient::wake() { curl_multi_wakeup(state_->multi.get()); }

}  // namespace aerie::http
