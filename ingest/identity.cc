#include "ingest/identity.h"

#include <fmt/core.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <xxhash.h>

#include <algorithm>
#include <deque>
#include <iterator>
#include <utility>

namespace aerie::ingest {
namespace {

constexpr std::string_view kClusterLabel = "cluster";

std::optional<std::array<uint8_t, 32>> parse_digest(std::string_view hex) {
  if (hex.size() != 64) return std::nullopt;
  std::array<uint8_t, 32> digest{};
  for (size_t i = 0; i < hex.size(); ++i) {
    const char c = hex[i];
    int nibble = 0;
    if (c >= '0' && c <= '9') {
      nibble = c - '0';
    } else if (c >= 'a' && c <= 'f') {
      nibble = c - 'a' + 10;
    } else {
      return std::nullopt;
    }
    digest[i / 2] = static_cast<uint8_t>(digest[i / 2] << 4 | nibble);
  }
  return digest;
}

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string describe(const std::vector<model::LabelView>& labels) {
  std::string text = model::Labels::from_pairs(labels).to_string();
  if (text.size() > 300) text = text.substr(0, 297) + "...";
  return text;
}

std::string_view value_of(const std::vector<model::LabelView>& labels, std::string_view name) {
  const auto found = std::find_if(labels.begin(), labels.end(),
                                  [&](const auto& label) { return label.name == name; });
  return found == labels.end() ? std::string_view{} : found->value;
}

std::optional<Refused> check_size(const model::LabelView& label, const ClusterLimits& limits) {
  if (label.name.size() > limits.label_name_bytes) {
    return Refused{Refusal::LabelLimit,
                   fmt::format("label name of {} bytes, limit {} (limits.label_name_bytes): "
                               "{:.64}...",
                               label.name.size(), limits.label_name_bytes, label.name)};
  }
  if (label.value.size() > limits.label_value_bytes) {
    return Refused{Refusal::LabelLimit,
                   fmt::format("value of label {} of {} bytes, limit {} (limits.label_value_bytes)",
                               label.name, label.value.size(), limits.label_value_bytes)};
  }
  return std::nullopt;
}

std::optional<Refused> check(const std::vector<model::LabelView>& labels,
                             const ClusterLimits& limits) {
  if (labels.size() > limits.labels) {
    return Refused{Refusal::LabelLimit,
                   fmt::format("{} labels, limit {} (limits.labels): {}", labels.size(),
                               limits.labels, describe(labels))};
  }
  bool named = false;
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto& [name, value] = labels[i];
    if (name.empty())
      return Refused{Refusal::InvalidLabel, "empty label name: " + describe(labels)};
    // The offending text itself is not repeated: the answer must be readable.
    if (!model::is_valid_utf8(name))
      return Refused{Refusal::InvalidLabel, "label name is not UTF-8"};
    if (!model::is_valid_utf8(value)) {
      return Refused{Refusal::InvalidLabel,
                     fmt::format("value of label {:?} is not UTF-8", std::string(name))};
    }
    if (i > 0 && labels[i - 1].name == name) {
      return Refused{Refusal::DuplicateLabel,
                     fmt::format("label {:?} twice: {}", std::string(name), describe(labels))};
    }
    if (auto refused = check_size(labels[i], limits)) return refused;
    if (name == model::kMetricName && is_reserved_name(value)) {
      return Refused{Refusal::ReservedName,
                     fmt::format("only aerie itself writes {}; rename it or drop it with "
                                 "write_relabel_configs",
                                 value)};
    }
    named = named || name == model::kMetricName;
  }
  if (!named) return Refused{Refusal::MissingName, "no metric name: " + describe(labels)};
  return std::nullopt;
}

// Sets what the binding says; `texts` keeps new label names alive.
std::optional<Refused> bind(std::vector<model::LabelView>& labels, const ClusterBinding& binding,
                            std::deque<std::string>& texts) {
  for (const auto& [name, value] : binding.labels) {
    const std::string_view bound = name;
    const auto found = std::find_if(labels.begin(), labels.end(),
                                    [&](const auto& label) { return label.name == bound; });
    if (found == labels.end()) {
      labels.push_back({name, value});
      continue;
    }
    if (found->value == value || binding.on_mismatch == OnMismatch::Fill) continue;
    if (binding.on_mismatch == OnMismatch::Verify) {
      return Refused{
          Refusal::ClusterMismatch,
          fmt::format("label {}={:?} from a sender of cluster {:?}, which must send {:?}", name,
                      std::string(found->value), binding.name, value)};
    }
    // As Prometheus does with honor_labels off: prefixed until the name is free.
    std::string& kept = texts.emplace_back("exported_" + name);
    while (!value_of(labels, kept).empty()) kept.insert(0, "exported_");
    const std::string_view sent_value = found->value;
    found->value = value;
    labels.push_back({kept, sent_value});
  }
  return std::nullopt;
}

// Everything that decides what the series of a binding become. Lengths keep the parts apart.
std::string text_of(const ClusterBinding& binding) {
  std::string text;
  const auto add = [&text](std::string_view part) {
    text.append(std::to_string(part.size())).append(1, ':').append(part);
  };
  add(binding.name);
  for (const auto& [name, value] : binding.labels) {
    add(name);
    add(value);
  }
  text += fmt::format("/{}/", static_cast<int>(binding.on_mismatch));
  for (const std::string& pattern : binding.may_write) add(pattern);
  for (const RelabelRule& rule : binding.write_relabel) {
    text += fmt::format("/{}/{}/", static_cast<int>(rule.action), rule.modulus);
    for (const std::string& label : rule.source_labels) add(label);
    for (const auto* part : {&rule.separator, &rule.target_label, &rule.regex, &rule.replacement})
      add(*part);
  }
  if (const auto& limits = binding.limits) {
    text += fmt::format("/{}/{}/{}", limits->labels, limits->label_name_bytes,
                        limits->label_value_bytes);
  }
  return text;
}

}  // namespace

Result<BindingTable> BindingTable::create(const std::vector<ClusterBinding>& clusters) {
  BindingTable table;
  for (const ClusterBinding& cluster : clusters) {
    if (cluster.name.empty())
      return Error(ErrorCode::InvalidArgument, "clusters: a cluster without a name");
    if (auto added = table.add(cluster); !added)
      return std::move(added).error().with("cluster " + cluster.name);
  }
  return table;
}

Status BindingTable::add(const ClusterBinding& cluster) {
  if (!names_.emplace(cluster.name, bindings_.size()).second)
    return Error(ErrorCode::InvalidArgument, "it is there twice");
  if (auto added = add_credentials(cluster); !added) return added;
  Compiled compiled;
  auto relabeller = Relabeller::compile(cluster.write_relabel);
  if (!relabeller) return std::move(relabeller).error().with("write_relabel_configs");
  compiled.relabeller = std::move(*relabeller);
  for (const std::string& pattern : cluster.may_write) {
    auto matcher =
        model::Matcher::make(model::MatchType::Regex, std::string(kClusterLabel), pattern);
    if (!matcher) return std::move(matcher).error().with("may_write");
    compiled.may_write.push_back(std::move(*matcher));
  }
  ClusterBinding& binding = bindings_.emplace_back(cluster);
  const bool labelled = std::any_of(binding.labels.begin(), binding.labels.end(),
                                    [](const auto& label) { return label.first == kClusterLabel; });
  if (!labelled) binding.labels.emplace_back(kClusterLabel, cluster.name);
  const std::string text = text_of(binding);
  compiled.fingerprint = XXH3_64bits(text.data(), text.size());
  compiled_.push_back(std::move(compiled));
  return {};
}

Status BindingTable::add_credentials(const ClusterBinding& cluster) {
  const size_t index = bindings_.size();
  for (const std::string& hex : cluster.token_sha256) {
    const auto digest = parse_digest(hex);
    if (!digest) {
      return Error(ErrorCode::InvalidArgument,
                   "a token must be 64 lower-case hex digits of its SHA-256");
    }
    const bool twice = std::any_of(tokens_.begin(), tokens_.end(),
                                   [&](const Token& token) { return token.digest == *digest; });
    if (twice) return Error(ErrorCode::InvalidArgument, "its token belongs to two clusters");
    tokens_.push_back({*digest, index});
  }
  for (const std::string& name : cluster.certificates) {
    if (!certificates_.emplace(name, index).second)
      return Error(ErrorCode::InvalidArgument, "certificate " + name + " belongs to two clusters");
  }
  return {};
}

const ClusterBinding* BindingTable::find_token(std::string_view bearer_token) const {
  if (bearer_token.empty()) return nullptr;
  Digest digest{};
  SHA256(reinterpret_cast<const unsigned char*>(bearer_token.data()), bearer_token.size(),
         digest.data());
  const ClusterBinding* found = nullptr;
  for (const Token& token : tokens_) {
    if (CRYPTO_memcmp(token.digest.data(), digest.data(), digest.size()) == 0)
      found = &bindings_[token.binding];
  }
  return found;
}

const ClusterBinding* BindingTable::find_certificate(std::span<const std::string> names) const {
  for (const std::string& name : names) {
    const auto found = certificates_.find(name);
    if (found != certificates_.end()) return &bindings_[found->second];
  }
  return nullptr;
}

const ClusterBinding* BindingTable::find_caller(const http::Request& request) const {
  const std::string_view token = request.bearer_token();
  return token.empty() ? find_certificate(request.peer_names) : find_token(token);
}

const ClusterBinding* BindingTable::find_name(std::string_view name) const {
  const auto found = names_.find(name);
  return found == names_.end() ? nullptr : &bindings_[found->second];
}

const BindingTable::Compiled& BindingTable::compiled_of(const ClusterBinding& binding) const {
  return compiled_[static_cast<size_t>(&binding - bindings_.data())];
}

uint64_t BindingTable::fingerprint(const ClusterBinding* binding) const {
  return binding == nullptr ? 0 : compiled_of(*binding).fingerprint;
}

const Relabeller& BindingTable::relabeller(const ClusterBinding* binding) const {
  return binding == nullptr ? no_rules_ : compiled_of(*binding).relabeller;
}

bool BindingTable::forwards(const ClusterBinding& binding, std::string_view cluster) const {
  if (cluster.empty() || cluster == binding.name) return false;
  const auto& patterns = compiled_of(binding).may_write;
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const model::Matcher& pattern) { return pattern.matches(cluster); });
}

bool is_reserved_name(std::string_view name) {
  static constexpr std::string_view kReserved[] = {"aerie_cluster_up",
                                                   "aerie_cluster_last_sample_timestamp_seconds",
                                                   "aerie_deployment_phase",
                                                   "aerie_deployment_reason_pods",
                                                   "aerie_deployment_desired_replicas",
                                                   "aerie_deployment_unknown_replicas"};
  return name.starts_with("aerie_") &&
         std::find(std::begin(kReserved), std::end(kReserved), name) != std::end(kReserved);
}

std::variant<SeriesIdentity, Refused> identify(std::vector<model::LabelView> sent,
                                               const ClusterBinding* binding,
                                               const IngestOptions& options) {
  std::vector<model::LabelView>& labels = sent;
  labels.erase(std::remove_if(labels.begin(), labels.end(),
                              [](const auto& label) { return label.value.empty(); }),
               labels.end());
  const auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
  std::stable_sort(labels.begin(), labels.end(), by_name);
  const ClusterLimits& limits =
      binding != nullptr && binding->limits ? *binding->limits : options.limits;
  if (auto refused = check(labels, limits)) return std::move(*refused);

  SeriesIdentity identity;
  std::deque<std::string> texts;
  if (binding != nullptr) {
    if (auto refused = bind(labels, *binding, texts)) return std::move(*refused);
  }
  identity.cluster = value_of(labels, kClusterLabel);
  if (!identity.cluster.empty()) {
    for (const std::string& replica_label : options.ha.replica_labels) {
      const std::string_view replica = value_of(labels, replica_label);
      if (replica.empty()) continue;
      identity.replica = replica;
      labels.erase(std::remove_if(labels.begin(), labels.end(),
                                  [&](const auto& label) { return label.name == replica_label; }),
                   labels.end());
      identity.group = ha_group(value_of(labels, options.ha.group_label), identity.replica);
      break;
    }
  }
  identity.labels = model::Labels::from_pairs(std::move(labels));
  return identity;
}

std::string ha_group(std::string_view group_label_value, std::string_view replica) {
  std::string group(group_label_value);
  constexpr std::string_view kShard = "-shard-";
  const size_t shard = replica.rfind(kShard);
  if (shard == std::string_view::npos) return group;
  const std::string_view rest = replica.substr(shard + kShard.size());
  const size_t dash = rest.find('-');
  if (dash == std::string_view::npos || !is_number(rest.substr(0, dash)) ||
      !is_number(rest.substr(dash + 1)))
    return group;
  return group.append(kShard).append(rest.substr(0, dash));
}

}  // namespace aerie::ingest
