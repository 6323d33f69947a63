// Samples as other servers take them: /federate and remote read.

#include <algorithm>
#include <map>
#include <utility>

#include "query/annotations.h"
#include "query/api.h"
#include "query/api_answer.h"
#include "query/result_json.h"

namespace aerie::query {
namespace {

struct NewestSample {
  model::TimestampMs t = 0;
  double value = 0;
};
using Federated = std::map<model::Labels, NewestSample>;

/// The newest float of each series; nothing where that is a stale marker or a native histogram,
/// which the text formats cannot carry.
Status collect(const model::SampleSource& source, const model::Matchers& matchers,
               model::TimeRange range, Federated& out) {
  const auto selection = source.select(matchers, range);
  if (!selection) return selection.error();
  model::SeriesSamples samples;
  for (size_t i = 0; i < (*selection)->size(); ++i) {
    if (auto read = (*selection)->read(i, range, samples); !read) return read;
    if (samples.values.empty() || model::is_stale(samples.values.back())) continue;
    const model::TimestampMs t = samples.timestamps.back();
    if (!samples.histograms.empty() && samples.histograms.back().t > t) continue;
    out.insert_or_assign((*selection)->labels(i), NewestSample{t, samples.values.back()});
  }
  return {};
}

void append_label_value(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
}

bool is_plain_name(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
           (c >= '0' && c <= '9');
  };
  return !name.empty() && std::all_of(name.begin(), name.end(), plain) &&
         !(name.front() >= '0' && name.front() <= '9');
}

class FederationText {
 public:
  FederationText(bool open_metrics, const std::map<std::string, std::string>& external)
      : open_metrics_(open_metrics), external_(external) {
    external_.try_emplace("instance", "");
  }

  void add(const model::Labels& labels, const NewestSample& sample) {
    const std::string_view name = labels.metric_name();
    if (name.empty()) return;
    if (name != last_name_) {
      last_name_ = name;
      out_ += "# TYPE ";
      append_name(name);
      out_ += open_metrics_ ? " unknown\n" : " untyped\n";
    }
    const bool plain = is_plain_name(name);
    if (plain) out_ += name;
    char before = '{';
    if (!plain) {
      out_ += before;
      append_name(name);
      before = ',';
    }
    const auto append = [&](std::string_view label, std::string_view value) {
      out_ += before;
      before = ',';
      append_name(label);
      out_ += "=\"";
      append_label_value(out_, value);
      out_ += '"';
    };
    for (const model::LabelView& label : labels)
      if (label.name != model::kMetricName) append(label.name, label.value);
    for (const auto& [label, value] : external_)
      if (!labels.has(label)) append(label, value);
    out_ += "} " + go_format_g(sample.value) + ' ';
    if (open_metrics_) {
      append_time(out_, sample.t);
    } else {
      out_ += std::to_string(sample.t);
    }
    out_ += '\n';
  }

  http::Response finish() && {
    if (open_metrics_) out_ += "# EOF\n";
    http::Response response = http::Response::text(200, std::move(out_));
    response.headers.set("Content-Type",
                         open_metrics_
                             ? "application/openmetrics-text; version=1.0.0; charset=utf-8; "
                               "escaping=allow-utf-8"
                             : "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8");
    return response;
  }

 private:
  void append_name(std::string_view name) {
    if (is_plain_name(name)) {
      out_ += name;
      return;
    }
    out_ += '"';
    append_label_value(out_, name);
    out_ += '"';
  }

  const bool open_metrics_;
  std::map<std::string, std::string> external_;
  std::string out_;
  std::string last_name_;
};

http::Response plain_error(const Error& error) {
  const http::Response shaped = error_answer(error);
  return http::Response::text(shaped.status, error.message() + "\n");
}

}  // namespace

http::Response QueryApi::federate(const http::Request& request, const View& view) const {
  const auto selectors = match_parameters(request.params);
  if (!selectors) return plain_error(selectors.error());
  const model::TimestampMs now = clock_.now_ms();
  const model::TimeRange range{now - engine_.options().lookback, now};
  Federated found;
  for (const model::Matchers& matchers : *selectors)
    if (auto collected = collect(view.source, matchers, range, found); !collected)
      return plain_error(collected.error());
  const bool open_metrics =
      request.headers.get("Accept").find("application/openmetrics-text") != std::string_view::npos;
  FederationText text(open_metrics, options_.external_labels);
  // One family after the other, whatever the other labels are.
  std::vector<const Federated::value_type*> ordered;
  for (const auto& entry : found) ordered.push_back(&entry);
  std::stable_sort(ordered.begin(), ordered.end(), [](const auto* a, const auto* b) {
    return a->first.metric_name() < b->first.metric_name();
  });
  for (const auto* entry : ordered) text.add(entry->first, entry->second);
  return std::move(text).finish();
}

http::Response QueryApi::remote_read(const http::Request& request, const View& view) const {
  const auto read = decode_remote_read(request.body, options_.remote_read);
  if (!read) return plain_error(read.error());
  const bool wants_chunks =
      !read->accepted.empty() && read->accepted.front() == RemoteReadFormat::StreamedXorChunks;
  if (wants_chunks) {
    auto chunks = remote_read_chunks(*read, view.source, options_.remote_read);
    if (!chunks) return plain_error(chunks.error());
    if (*chunks) {
      http::Response response;
      response.headers.set("Content-Type",
                           "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse");
      response.body = std::move(**chunks);
      return response;
    }
    if (std::find(read->accepted.begin(), read->accepted.end(), RemoteReadFormat::Samples) ==
        read->accepted.end()) {
      return plain_error(Error(ErrorCode::InvalidArgument,
                               "the answer has native histograms, which aerie sends as samples "
                               "only: accept SAMPLES as well"));
    }
  }
  auto samples = remote_read_samples(*read, view.source, options_.remote_read);
  if (!samples) return plain_error(samples.error());
  http::Response response;
  response.headers.set("Content-Type", "application/x-protobuf");
  response.headers.set("Content-Encoding", "snappy");
  response.body = std::move(*samples);
  return response;
}

}  // namespace aerie::query
