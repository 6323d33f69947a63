#include "alerting/alert.h"

#include <fmt/format.h>

#include <bit>

#include "http/json_writer.h"
#include "store/byte_io.h"

namespace aerie::alerting {
namespace {

constexpr uint8_t kAlertVersion = 1;
constexpr uint8_t kOutgoingVersion = 1;

void put_time(std::string& out, const std::optional<model::TimestampMs>& time) {
  store::put_u8(out, time ? 1 : 0);
  if (time) store::put_zigzag(out, *time);
}
std::optional<model::TimestampMs> read_time(store::ByteReader& in) {
  if (in.u8() == 0) return std::nullopt;
  return in.zigzag();
}

std::string read_text(store::ByteReader& in) { return std::string(in.sized_bytes()); }

void put_annotations(std::string& out, const Annotations& annotations) {
  store::put_varint(out, annotations.size());
  for (const auto& [name, text] : annotations) {
    store::put_bytes(out, name);
    store::put_bytes(out, text);
  }
}
Annotations read_annotations(store::ByteReader& in) {
  Annotations annotations;
  const uint64_t count = in.varint();
  for (uint64_t i = 0; i < count && !in.failed(); ++i) {
    std::string name = read_text(in);
    annotations.emplace_back(std::move(name), read_text(in));
  }
  return annotations;
}

/// As pairs, not as Labels' own bytes: those may be trusted only from our own memory.
void put_labels(std::string& out, const model::Labels& labels) {
  store::put_varint(out, labels.size());
  for (const auto& [name, value] : labels) {
    store::put_bytes(out, name);
    store::put_bytes(out, value);
  }
}
model::Labels read_labels(store::ByteReader& in) {
  const Annotations pairs = read_annotations(in);
  std::vector<model::LabelView> views;
  for (const auto& [name, value] : pairs) views.push_back({name, value});
  return model::Labels::from_pairs(std::move(views));
}

/// RFC 3339 with three digits, as Prometheus sends it.
std::string wire_time(model::TimestampMs t) {
  std::string text = model::format_rfc3339(t - ((t % 1000) + 1000) % 1000);
  text.insert(text.size() - 1, fmt::format(".{:03}", ((t % 1000) + 1000) % 1000));
  return text;
}

}  // namespace

std::string_view alert_state_name(AlertState state) {
  switch (state) {
    case AlertState::Inactive: return "inactive";
    case AlertState::Pending: return "pending";
    case AlertState::Firing: return "firing";
  }
  return "inactive";
}

std::string encode_alert(const Alert& alert) {
  std::string out;
  store::put_u8(out, kAlertVersion);
  store::put_u8(out, static_cast<uint8_t>(alert.state));
  store::put_u64(out, std::bit_cast<uint64_t>(alert.value));
  store::put_zigzag(out, alert.active_at);
  put_time(out, alert.fired_at);
  put_time(out, alert.resolved_at);
  put_time(out, alert.keep_firing_since);
  put_labels(out, alert.labels);
  put_annotations(out, alert.annotations);
  return out;
}

Result<Alert> decode_alert(std::string_view bytes) {
  store::ByteReader in(bytes);
  const uint8_t version = in.u8();
  if (version != kAlertVersion) {
    return Error(ErrorCode::Corruption, fmt::format("alert state: unknown version={}", version));
  }
  Alert alert;
  const uint8_t state = in.u8();
  alert.value = std::bit_cast<double>(in.u64());
  alert.active_at = in.zigzag();
  alert.fired_at = read_time(in);
  alert.resolved_at = read_time(in);
  alert.keep_firing_since = read_time(in);
  alert.labels = read_labels(in);
  alert.annotations = read_annotations(in);
  if (in.failed() || !in.at_end() || state > static_cast<uint8_t>(AlertState::Firing)) {
    return Error(ErrorCode::Corruption,
                 fmt::format("alert state: damaged row of {} bytes", bytes.size()));
  }
  alert.state = static_cast<AlertState>(state);
  return alert;
}

std::string encode_outgoing(const OutgoingAlert& alert) {
  std::string out;
  store::put_u8(out, kOutgoingVersion);
  store::put_u8(out, alert.resolved ? 1 : 0);
  store::put_zigzag(out, alert.starts_at);
  store::put_zigzag(out, alert.ends_at);
  store::put_bytes(out, alert.generator_url);
  put_labels(out, alert.labels);
  put_annotations(out, alert.annotations);
  return out;
}

Result<OutgoingAlert> decode_outgoing(std::string_view bytes) {
  store::ByteReader in(bytes);
  const uint8_t version = in.u8();
  OutgoingAlert alert;
  alert.resolved = in.u8() != 0;
  alert.starts_at = in.zigzag();
  alert.ends_at = in.zigzag();
  alert.generator_url = read_text(in);
  alert.labels = read_labels(in);
  alert.annotations = read_annotations(in);
  if (version != kOutgoingVersion || in.failed() || !in.at_end()) {
    return Error(
        ErrorCode::Corruption,
        fmt::format("alert to deliver: damaged row, version={} bytes={}", version, bytes.size()));
  }
  return alert;
}

std::string outgoing_json(const OutgoingAlert& alert) {
  std::string out;
  http::JsonWriter json(out);
  json.begin_object();
  json.key("annotations").begin_object();
  for (const auto& [name, text] : alert.annotations) json.field(name, text);
  json.end_object();
  json.field("endsAt", wire_time(alert.ends_at)).field("startsAt", wire_time(alert.starts_at));
  if (!alert.generator_url.empty()) json.field("generatorURL", alert.generator_url);
  json.key("labels").begin_object();
  for (const auto& [name, value] : alert.labels) json.field(name, value);
  json.end_object().end_object();
  return out;
}

}  // namespace aerie::alerting
