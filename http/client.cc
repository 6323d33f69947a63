#include "http/client.h"

#include <curl/curl.h>

#include <vector>

#include "base/guarded.h"

namespace aerie::http {
namespace {

// What a peer may make us hold; the answers we ask for are far smaller.
constexpr size_t kMaxResponseBytes = 256u << 20;
constexpr std::chrono::milliseconds kMaxConnectTime{10'000};

struct HandleDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using Handle = std::unique_ptr<CURL, HandleDeleter>;

struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, ListDeleter>;

/// `http://user:secret@host/x?token=1` -> `http://host/x`: what may stand in a log.
std::string without_secrets(std::string_view url) {
  std::string shown(url.substr(0, url.find_first_of("?#")));
  const size_t scheme = shown.find("://");
  const size_t host = scheme == std::string::npos ? 0 : scheme + 3;
  const size_t path = shown.find('/', host);
  const size_t at = shown.rfind('@', path);
  if (at != std::string::npos && at >= host) shown.erase(host, at + 1 - host);
  return shown;
}

size_t append_body(char* data, size_t size, size_t count, void* target) {
  auto& body = static_cast<Response*>(target)->body;
  if (body.size() + size * count > kMaxResponseBytes) return 0;
  body.append(data, size * count);
  return size * count;
}

size_t append_header(char* data, size_t size, size_t count, void* target) {
  auto& headers = static_cast<Response*>(target)->headers;
  std::string_view line(data, size * count);
  if (line.starts_with("HTTP/"))
    headers = Headers{};  // a new answer begins: 100 Continue came before
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return size * count;
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  headers.add(line.substr(0, colon), value);
  return size * count;
}

/// libcurl asks at least once a second; anything but 0 ends the transfer.
int stop_if_cancelled(void* cancellation, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const Cancellation*>(cancellation)->cancelled() ? 1 : 0;
}

HeaderList header_list(const Headers& headers) {
  // Without this libcurl waits up to a second for 100 Continue before it sends a large body.
  HeaderList list(curl_slist_append(nullptr, "Expect:"));
  for (const auto& [name, value] : headers.all()) {
    const std::string line = name + ": " + value;
    if (curl_slist* longer = curl_slist_append(list.get(), line.c_str())) {
      static_cast<void>(list.release());
      list.reset(longer);
    }
  }
  return list;
}

void set_method(CURL* curl, const ClientRequest& request) {
  switch (request.method) {
    case Method::Get: curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L); return;
    case Method::Head: curl_easy_setopt(curl, CURLOPT_NOBODY, 1L); return;
    default: break;
  }
  const std::string name(method_name(request.method));
  curl_easy_setopt(curl, CURLOPT_POST, 1L);
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, name.c_str());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
}

Error transport_error(CURLcode code, const char* detail, std::string_view url) {
  const std::string text = *detail != '\0' ? detail : curl_easy_strerror(code);
  const std::string message = "request " + without_secrets(url) + ": " + text;
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT: return {ErrorCode::DeadlineExceeded, message};
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return {ErrorCode::InvalidArgument, message};
    case CURLE_ABORTED_BY_CALLBACK: return {ErrorCode::Cancelled, message};
    case CURLE_WRITE_ERROR:
      return {ErrorCode::ResourceExhausted, message + " (the answer is larger than 256 MiB)"};
    default: return {ErrorCode::Unavailable, message};
  }
}

void initialise_curl_once() {
  [[maybe_unused]] static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
}

}  // namespace

struct Client::State {
  // Each handle keeps its connections alive; a thread borrows one for the length of a request.
  Guarded<std::vector<Handle>> idle;
};

Client::Client() : state_(std::make_unique<State>()) { initialise_curl_once(); }

Client::~Client() = default;

Result<Response> Client::send(const ClientRequest& request) {
  Handle handle = state_->idle.with([](std::vector<Handle>& idle) {
    if (idle.empty()) return Handle{};
    Handle last = std::move(idle.back());
    idle.pop_back();
    return last;
  });
  if (!handle) handle.reset(curl_easy_init());
  if (!handle) return Error(ErrorCode::Internal, "libcurl gave no handle");

  CURL* curl = handle.get();
  Response response;
  char detail[CURL_ERROR_SIZE] = {};
  const HeaderList headers = header_list(request.headers);
  curl_easy_reset(curl);  // keeps the connections
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(std::min(request.timeout, kMaxConnectTime).count()));
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "aerie");
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &response);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, append_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &response);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  if (request.cancellation) {
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, stop_if_cancelled);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA,
                     const_cast<Cancellation*>(request.cancellation.get()));
  }
  set_method(curl, request);

  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) return transport_error(code, detail, request.url);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  response.status = static_cast<int>(status);
  state_->idle.with([&](std::vector<Handle>& idle) { idle.push_back(std::move(handle)); });
  return response;
}

}  // namespace aerie::http
