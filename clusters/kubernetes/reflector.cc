#include "clusters/kubernetes/reflector.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "clusters/kubernetes/json_fields.h"
#include "http/message.h"

namespace aerie::clusters::kubernetes {
namespace {

constexpr model::DurationMs kListTimeout = 60'000;
constexpr model::DurationMs kFirstBackOff = 500;
constexpr model::DurationMs kLongestBackOff = 30'000;
constexpr model::DurationMs kRefusedBackOff = 30'000;  // 401 and 403: nothing soon will help
constexpr model::DurationMs kSoundWatch = 5'000;       // one that lived this long was no failure
// The server ends a watch after this; spread, so that not all are opened again at once.
constexpr uint64_t kWatchSeconds = 300;
// An answer is held until its line or page is whole; a single object of etcd is at most 1.5 MB.
constexpr size_t kMostBuffered = 256u << 20;

constexpr int kGone = 410;

bool is_streamed_list_end(const boost::json::object& object) {
  const auto* metadata = object_at(object, "metadata");
  const auto* annotations = metadata ? object_at(*metadata, "annotations") : nullptr;
  return annotations && text_at(*annotations, "k8s.io/initial-events-end") == "true";
}

std::string_view version_of(const boost::json::object& object) {
  const auto* metadata = object_at(object, "metadata");
  return metadata ? text_at(*metadata, "resourceVersion") : std::string_view();
}

}  // namespace

Reflector::Reflector(Options options, ObjectSink sink)
    : options_(std::move(options)),
      sink_(std::move(sink)),
      random_(options_.seed),
      stage_(options_.streamed_list ? Stage::StreamedList : Stage::List),
      streamed_list_works_(options_.streamed_list) {}

std::optional<int64_t> Reflector::due() const {
  if (under_way_) return std::nullopt;
  return due_at_;
}

std::optional<Reflector::Ask> Reflector::next(int64_t now) {
  if (under_way_ || now < due_at_) return std::nullopt;
  under_way_ = true;
  cut_short_ = false;
  status_ = 0;
  asked_at_ = now;
  buffer_.clear();
  return stage_ == Stage::List ? list_request() : watch_request();
}

Reflector::Ask Reflector::list_request() {
  std::string target = fmt::format("{}?limit={}", options_.path, options_.page);
  if (!options_.field_selector.empty())
    target += "&fieldSelector=" + http::percent_encode(options_.field_selector);
  if (!continue_.empty()) target += "&continue=" + http::percent_encode(continue_);
  return {std::move(target), kListTimeout};
}

Reflector::Ask Reflector::watch_request() {
  const uint64_t seconds = kWatchSeconds + random_() % kWatchSeconds;
  std::string target = fmt::format("{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={}",
                                   options_.path, seconds);
  if (!options_.field_selector.empty())
    target += "&fieldSelector=" + http::percent_encode(options_.field_selector);
  if (stage_ == Stage::StreamedList) {
    target += "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    if (!listing_) sink_.begin();
    listing_ = true;
  } else {
    target += "&resourceVersion=" + http::percent_encode(version_);
  }
  // The server ends it; our own limit is for one that does not.
  return {std::move(target), static_cast<model::DurationMs>((seconds + 30) * 1000)};
}

bool Reflector::data(int status, std::string_view bytes, int64_t now) {
  if (cut_short_) return true;
  status_ = status;
  buffer_ += bytes;
  if (buffer_.size() > kMostBuffered) {
    trouble_ = options_.path + ": an answer is larger than 256 MiB";
    cut_short_ = true;
  } else if (status == 200 && stage_ != Stage::List) {
    cut_short_ = !take_lines(now);
  }
  return cut_short_;
}

bool Reflector::take_lines(int64_t now) {
  size_t begin = 0;
  for (size_t end = buffer_.find('\n'); end != std::string::npos; end = buffer_.find('\n', begin)) {
    const std::string_view line = std::string_view(buffer_).substr(begin, end - begin);
    begin = end + 1;
    if (!line.empty() && !take_event(line, now)) return false;
  }
  buffer_.erase(0, begin);
  return true;
}

bool Reflector::take_event(std::string_view line, int64_t now) {
  auto event = parse_object(line);
  if (!event) {
    trouble_ = options_.path + ": an event of the watch cannot be read: " + event.error().message();
    return false;
  }
  const std::string_view type = text_at(*event, "type");
  const auto* object = object_at(*event, "object");
  if (!object) return true;
  if (type == "ERROR") return take_error_event(*object);
  if (const auto version = version_of(*object); !version.empty()) version_ = version;
  if (type == "ADDED" || type == "MODIFIED") {
    sink_.put(*object);
  } else if (type == "DELETED") {
    sink_.remove(*object);
  } else if (type == "BOOKMARK" && stage_ == Stage::StreamedList && is_streamed_list_end(*object)) {
    finish_list();
  }
  if (now - asked_at_ >= kSoundWatch) failures_ = 0;
  return true;
}

bool Reflector::take_error_event(const boost::json::object& status) {
  const auto code = integer_at(status, "code");
  trouble_ = fmt::format("{}: the watch ended with {} {}", options_.path, code.value_or(0),
                         text_at(status, "message"));
  if (code == kGone) list_again();
  return false;
}

void Reflector::take_page(int64_t now) {
  auto page = parse_object(buffer_);
  if (!page) return back_off(now, options_.path + ": the list is " + page.error().message());
  if (!listing_) sink_.begin();
  listing_ = true;
  if (const auto* items = array_at(*page, "items")) {
    for (const auto& item : *items) {
      if (item.is_object()) sink_.put(item.get_object());
    }
  }
  const auto* metadata = object_at(*page, "metadata");
  continue_ = metadata ? text_at(*metadata, "continue") : std::string_view();
  version_ = version_of(*page);
  due_at_ = now;
  if (continue_.empty()) finish_list();
}

void Reflector::finish_list() {
  sink_.end();
  listing_ = false;
  stage_ = Stage::Watch;
  current_ = true;
  failures_ = 0;
  trouble_.clear();
  ++lists_;
}

void Reflector::list_again() {
  continue_.clear();
  version_.clear();
  stage_ = streamed_list_works_ ? Stage::StreamedList : Stage::List;
  // A half-finished list begins anew: begin() is called again, and what was put stays known until
  // the next end().
  listing_ = false;
}

void Reflector::back_off(int64_t now, std::string trouble) {
  if (!trouble.empty()) trouble_ = std::move(trouble);
  const auto doubled = kFirstBackOff << std::min<uint32_t>(failures_++, 10);
  const auto span = static_cast<uint64_t>(std::min<model::DurationMs>(doubled, kLongestBackOff));
  due_at_ = now + static_cast<int64_t>(span / 2 + random_() % (span / 2 + 1));
}

void Reflector::refused(int status, std::chrono::seconds retry_after, int64_t now) {
  const auto answer = parse_object(buffer_);
  const std::string_view why = answer ? text_at(*answer, "message") : std::string_view();
  std::string trouble = fmt::format("{}: {} {}", options_.path, status, why);
  const bool misunderstood = status == 400 || status == 422;
  if (stage_ == Stage::StreamedList && (misunderstood || status == 403)) {
    // An older server. 403 too: older API machinery forbids the parameters with it.
    streamed_list_works_ = false;
    list_again();
    due_at_ = now;
    return;
  }
  if (status == kGone) {
    list_again();
    return back_off(now, std::move(trouble));
  }
  current_ = false;
  back_off(now, std::move(trouble));
  if (status == 401 || status == 403 || status == 404) due_at_ = now + kRefusedBackOff;
  const auto asked = std::chrono::duration_cast<std::chrono::milliseconds>(retry_after).count();
  due_at_ = std::max<int64_t>(due_at_, now + asked);
}

void Reflector::ended(Result<http::StreamEnd> end, int64_t now) {
  under_way_ = false;
  if (!end) {
    if (stage_ == Stage::StreamedList) list_again();
    return back_off(now, end.error().message());
  }
  if (end->status != 200) return refused(end->status, end->retry_after, now);
  if (stage_ == Stage::List) return take_page(now);
  if (stage_ == Stage::StreamedList) {
    // It ended before the list did: a server that passed over what it does not know.
    streamed_list_works_ = false;
    list_again();
    return back_off(now, options_.path + ": the streamed list ended early");
  }
  // Watches end; one that ends at once is a failure.
  if (now - asked_at_ < kSoundWatch) return back_off(now, {});
  failures_ = 0;
  due_at_ = now;
}

void Reflector::hasten(int64_t now) {
  failures_ = 0;
  due_at_ = std::min(due_at_, now);
}

bool Reflector::stalled(int64_t now) const {
  return under_way_ && stage_ == Stage::StreamedList && now - asked_at_ > kListTimeout;
}

void Reflector::abandoned(int64_t now) {
  if (stalled(now)) streamed_list_works_ = false;
  under_way_ = false;
  if (stage_ == Stage::StreamedList) list_again();
  back_off(now, {});
}

}  // namespace aerie::clusters::kubernetes
