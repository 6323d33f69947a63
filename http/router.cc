#include "http/router.h"

#include <algorithm>
#include <exception>

#include "base/check.h"
#include "base/log.h"

namespace aerie::http {
namespace {

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> segments;
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  while (true) {
    const size_t slash = path.find('/');
    segments.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

// In the order of preference.
enum class SegmentKind { Literal, Name, Rest };

SegmentKind kind_of(std::string_view segment) {
  if (segment.size() < 2 || segment.front() != '{' || segment.back() != '}') {
    return SegmentKind::Literal;
  }
  return segment.ends_with("...}") ? SegmentKind::Rest : SegmentKind::Name;
}

std::string_view name_of(std::string_view segment) {
  segment = segment.substr(1, segment.size() - 2);
  return segment.ends_with("...") ? segment.substr(0, segment.size() - 3) : segment;
}

bool matches(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (i >= path.size()) return false;
    const SegmentKind kind = kind_of(pattern[i]);
    if (kind == SegmentKind::Rest) return true;
    if (kind == SegmentKind::Name && path[i].empty()) return false;
    if (kind == SegmentKind::Literal && pattern[i] != path[i]) return false;
  }
  return pattern.size() == path.size();
}

/// True if `a` names more of a path that both match.
bool more_literal(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::lexicographical_compare(
      a.begin(), a.end(), b.begin(), b.end(),
      [](const std::string& x, const std::string& y) { return kind_of(x) < kind_of(y); });
}

bool serves(const std::vector<Method>& methods, Method method) {
  if (std::find(methods.begin(), methods.end(), method) != methods.end()) return true;
  return method == Method::Head &&
         std::find(methods.begin(), methods.end(), Method::Get) != methods.end();
}

std::map<std::string, std::string, std::less<>> bind_names(const std::vector<std::string>& pattern,
                                                           const std::vector<std::string>& path) {
  std::map<std::string, std::string, std::less<>> bound;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const SegmentKind kind = kind_of(pattern[i]);
    if (kind == SegmentKind::Literal) continue;
    std::string value = path[i];
    for (size_t j = i + 1; kind == SegmentKind::Rest && j < path.size(); ++j)
      value += "/" + path[j];
    bound.emplace(name_of(pattern[i]), std::move(value));
  }
  return bound;
}

Response run_guarded(const BlockingHandler& handler, const Request& request) {
  // Handlers catch what their libraries throw; this is the last line before the process would end
  // for one request.
  try {
    return handler(request);
  } catch (const std::exception& error) {
    AERIE_LOG(Error, "handler threw", {"path", request.path}, {"error", error.what()});
    return Response::text(500, "internal error; the log of aerie has the details\n");
  }
}

struct Job {
  Request request;
  Responder respond;
};

Response pool_is_full() {
  Response response = Response::text(503, "too many requests are waiting; try again\n");
  response.headers.set("Retry-After", "5");
  return response;
}

}  // namespace

Responder::~Responder() {
  if (send_) send_(Response::text(500, "the request was dropped without an answer\n"));
}

void Responder::operator()(Response response) {
  AERIE_DCHECK(send_ != nullptr, "a request was answered twice");
  if (const Send send = std::exchange(send_, nullptr)) send(std::move(response));
}

void Router::blocking(std::initializer_list<Method> methods, std::string_view pattern,
                      WorkPool& pool, BlockingHandler handler, RouteOptions options) {
  auto hop = [&pool, handler = std::move(handler)](Request request, Responder respond) {
    auto job = std::make_shared<Job>(Job{std::move(request), std::move(respond)});
    auto work = [job, handler] {
      // The client went away while the job waited: nobody would read the answer.
      const bool abandoned = job->request.cancellation->cancelled();
      job->respond(abandoned ? Response::text(499, "client closed the request\n")
                             : run_guarded(handler, job->request));
    };
    if (!pool.submit(std::move(work))) job->respond(pool_is_full());
  };
  add(methods, pattern, std::move(hop), options);
}

void Router::async(std::initializer_list<Method> methods, std::string_view pattern,
                   AsyncHandler handler, RouteOptions options) {
  add(methods, pattern, std::move(handler), options);
}

void Router::add(std::initializer_list<Method> methods, std::string_view pattern,
                 AsyncHandler handler, RouteOptions options) {
  AERIE_CHECK(!pattern.empty() && pattern.front() == '/', "a route pattern begins with a slash");
  for (const Route& route : routes_) {
    if (route.pattern != pattern) continue;
    for (const Method method : methods) {
      AERIE_CHECK(
          std::find(route.methods.begin(), route.methods.end(), method) == route.methods.end(),
          "two routes with the same pattern and method: " + std::string(pattern));
    }
  }
  routes_.push_back(
      Route{methods, std::string(pattern), split_path(pattern), std::move(handler), options});
}

Router::Match Router::find(Method method, std::string_view path) const {
  std::vector<std::string> segments = split_path(path);
  for (std::string& segment : segments) segment = percent_decode(segment);

  const Route* best = nullptr;
  for (const Route& route : routes_) {
    if (!matches(route.segments, segments)) continue;
    if (best == nullptr || more_literal(route.segments, best->segments)) best = &route;
  }
  if (best == nullptr) return Match{};

  Match match;
  match.pattern = best->pattern;
  match.kind = Match::Kind::MethodNotAllowed;
  for (const Route& route : routes_) {
    if (route.pattern != best->pattern) continue;
    for (const Method allowed : route.methods) {
      match.allow += std::string(method_name(allowed)) + ", ";
      if (allowed == Method::Get) match.allow += "HEAD, ";
    }
    if (!serves(route.methods, method)) continue;
    match.kind = Match::Kind::Found;
    match.handler = route.handler;
    match.options = route.options;
    match.path_params = bind_names(route.segments, segments);
  }
  match.allow += "OPTIONS";
  return match;
}

std::vector<std::string> Router::patterns() const {
  std::vector<std::string> all;
  for (const Route& route : routes_) {
    for (const Method method : route.methods) {
      all.push_back(std::string(method_name(method)) + " " + route.pattern);
    }
  }
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace aerie::http
