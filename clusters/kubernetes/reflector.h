#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/stream_client.h"
#include "model/time.h"

namespace aerie::clusters::kubernetes {

/// Where a reflector puts what it sees. Between begin() and end() every object that exists is put;
/// one that is not put in between is gone.
struct ObjectSink {
  std::function<void()> begin;
  std::function<void(const boost::json::object&)> put;
  std::function<void(const boost::json::object&)> remove;
  std::function<void()> end;
};

/// Keeps one collection of an API server reflected: list in pages, then watch with bookmarks; lists
/// again when the server has forgotten where we are (410); begins with a streamed list where the
/// server knows how (sendInitialEvents, Kubernetes 1.27 and later) and falls back where it does
/// not; backs off when refused. Only ever asks for GET. No I/O, no clock of its own: `now` is
/// monotonic milliseconds. Not thread-safe.
class Reflector {
 public:
  struct Options {
    std::string path;            ///< "/apis/apps/v1/deployments"
    std::string field_selector;  ///< "type!=Normal"; empty: all
    bool streamed_list = true;   ///< ask for it first
    uint32_t page = 500;         ///< objects of one page of a list
    uint64_t seed = 0;           ///< of the jitter of back-offs and watches
  };
  struct Ask {
    std::string target;             ///< path and query
    model::DurationMs timeout = 0;  ///< of the whole answer; 0: none
  };

  Reflector(Options options, ObjectSink sink);

  /// The next request, if it is time for one and none is under way; then it is under way until
  /// ended() or abandoned().
  std::optional<Ask> next(int64_t now);
  /// When next() will have something to ask; empty while a request is under way.
  std::optional<int64_t> due() const;

  /// Bytes of the answer, in any pieces. True: the answer is of no more use, cancel it and call
  /// abandoned().
  bool data(int status, std::string_view bytes, int64_t now);
  void ended(Result<http::StreamEnd> end, int64_t now);
  /// The request was cancelled: goes on where it was, after a back-off.
  void abandoned(int64_t now);

  /// The server answers again: no need to sit out a back-off.
  void hasten(int64_t now);
  /// True when a streamed list has not ended after a minute: cancel it and call abandoned().
  bool stalled(int64_t now) const;

  /// True from the end of the first list on, while a watch is open or about to be opened again.
  bool current() const { return current_; }
  /// Why it is not current; empty when it is.
  const std::string& trouble() const { return trouble_; }
  uint64_t lists() const { return lists_; }

 private:
  enum class Stage : uint8_t { List, StreamedList, Watch };

  Ask list_request();
  Ask watch_request();
  void take_page(int64_t now);
  bool take_lines(int64_t now);
  /// One event of a watch. False: the watch is of no more use.
  bool take_event(std::string_view line, int64_t now);
  bool take_error_event(const boost::json::object& status);
  void finish_list();
  void refused(int status, std::chrono::seconds retry_after, int64_t now);
  void list_again();
  void back_off(int64_t now, std::string trouble);

  const Options options_;
  const ObjectSink sink_;
  std::mt19937_64 random_;
  Stage stage_;
  bool under_way_ = false;
  bool listing_ = false;    // between begin() and end()
  bool cut_short_ = false;  // the answer under way was given up by data()
  int status_ = 0;
  int64_t asked_at_ = 0;
  int64_t due_at_ = 0;
  uint32_t failures_ = 0;  // in a row
  bool streamed_list_works_;
  bool current_ = false;
  std::string buffer_;
  std::string version_;   // resourceVersion
  std::string continue_;  // of a list; empty: from the beginning
  std::string trouble_ = "not asked yet";
  uint64_t lists_ = 0;
};

}  // namespace aerie::clusters::kubernetes
