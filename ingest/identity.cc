#include "ingest/identity.h"

#include <fmt/core.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <deque>
#include <unordered_set>

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

std::optional<Refused> check(const std::vector<model::LabelView>& labels,
                             const IngestOptions& options) {
  if (labels.size() > options.max_labels) {
    return Refused{Refusal::LabelLimit, fmt::format("{} labels, limit {}: {}", labels.size(),
                                                    options.max_labels, describe(labels))};
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
    if (name.size() > options.max_label_name_bytes) {
      return Refused{Refusal::LabelLimit,
                     fmt::format("label name of {} bytes, limit {}: {:.64}...", name.size(),
                                 options.max_label_name_bytes, name)};
    }
    if (value.size() > options.max_label_value_bytes) {
      return Refused{Refusal::LabelLimit,
                     fmt::format("value of label {} of {} bytes, limit {}", name, value.size(),
                                 options.max_label_value_bytes)};
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

}  // namespace

Result<BindingTable> BindingTable::create(const std::vector<ClusterBinding>& clusters) {
  BindingTable table;
  std::unordered_set<std::string> names;
  std::unordered_set<std::string> digests;
  for (const ClusterBinding& cluster : clusters) {
    if (cluster.name.empty())
      return Error(ErrorCode::InvalidArgument, "clusters: a cluster without a name");
    if (!names.insert(cluster.name).second) {
      return Error(ErrorCode::InvalidArgument,
                   fmt::format("clusters: {} is there twice", cluster.name));
    }
    for (const std::string& hex : cluster.token_sha256) {
      const auto digest = parse_digest(hex);
      if (!digest) {
        return Error(
            ErrorCode::InvalidArgument,
            fmt::format("cluster {}: a token must be 64 lower-case hex digits of its SHA-256",
                        cluster.name));
      }
      if (!digests.insert(hex).second) {
        return Error(ErrorCode::InvalidArgument,
                     fmt::format("cluster {}: token belongs to two clusters", cluster.name));
      }
      table.tokens_.push_back({*digest, table.bindings_.size()});
    }
    ClusterBinding& binding = table.bindings_.emplace_back(cluster);
    const bool labelled =
        std::any_of(binding.labels.begin(), binding.labels.end(),
                    [](const auto& label) { return label.first == kClusterLabel; });
    if (!labelled) binding.labels.emplace_back(kClusterLabel, cluster.name);
  }
  return table;
}

const ClusterBinding* BindingTable::find_token(std::string_view bearer_token) const {
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

uint64_t BindingTable::number_of(const ClusterBinding* binding) const {
  return binding == nullptr ? 0 : static_cast<uint64_t>(binding - bindings_.data()) + 1;
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
  if (auto refused = check(labels, options)) return std::move(*refused);

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
