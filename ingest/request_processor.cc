#include "ingest/request_processor.h"

#include <algorithm>
#include <utility>

namespace aerie::ingest {
namespace {

// In Workspace::found while a request is built: the series' labels were refused.
constexpr uint32_t kRefusedSeries = CachedSeries::kUnknown - 2;
constexpr uint32_t kActiveMinutes = 10;
// One series in sixteen is looked at for unlabelled pairs.
constexpr uint64_t kWatchMask = 15;

/// Sorts the floats from `first` on, of one series, and their starts with them.
void sort_by_time(store::WriteBatch& batch, size_t first) {
  const auto at = static_cast<ptrdiff_t>(first);
  std::vector<std::pair<store::FloatRow, model::TimestampMs>> rows;
  for (size_t i = first; i < batch.floats.size(); ++i)
    rows.emplace_back(batch.floats[i], batch.start_of(i));
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.first.t < b.first.t; });
  const bool with_starts = !batch.float_starts.empty();
  std::transform(rows.begin(), rows.end(), batch.floats.begin() + at,
                 [](const auto& row) { return row.first; });
  if (with_starts)
    std::transform(rows.begin(), rows.end(), batch.float_starts.begin() + at,
                   [](const auto& row) { return row.second; });
}

void refuse(PreparedWrite& write, ClusterShare& share, const Refused& refused, uint32_t rows) {
  write.refused[static_cast<size_t>(refused.reason)] += rows;
  share.refused[static_cast<size_t>(refused.reason)] += rows;
  if (write.first_refusal.empty()) write.first_refusal = refused.text;
  if (share.first_error.empty()) share.first_error = refused.text;
}

std::string_view cluster_of(const std::vector<model::LabelView>& labels,
                            const ClusterBinding* binding) {
  if (binding != nullptr) return binding->name;
  const auto found = std::find_if(labels.begin(), labels.end(),
                                  [](const auto& label) { return label.name == "cluster"; });
  return found == labels.end() ? std::string_view{} : found->value;
}

uint64_t metadata_key(const DecodedMetadata& entry, std::string_view cluster, uint64_t seed) {
  uint64_t key = seed + static_cast<uint64_t>(entry.type);
  for (const std::string_view part : {cluster, entry.metric_family, entry.help, entry.unit})
    key = series_key(part, key).low;
  return key;
}

}  // namespace

// One walk over one request.
struct RequestProcessor::Pass {
  const Caller& caller;
  Workspace& work;
  Origin origin = Origin::Sender;
  const StaleRows* stale = nullptr;  // set: only these rows are wanted
  PreparedWrite write;
  uint32_t float_rows =
      0;  // rows that the full batch has so far; with `stale` more than are in write.batch
  uint32_t histogram_rows = 0;

  bool wanted(uint32_t row) const {
    return stale == nullptr ||
           std::binary_search(stale->indexes.begin(), stale->indexes.end(), row);
  }
  SenderShare& share(uint32_t sender) {
    auto& senders = write.senders;
    if (last < senders.size() && senders[last].sender == sender) return senders[last];
    for (last = 0; last < senders.size(); ++last) {
      if (senders[last].sender == sender) return senders[last];
    }
    SenderShare& added = senders.emplace_back();
    added.sender = sender;
    return added;
  }

  size_t last =
      0;  // where share() looks first: nearly all series of a request have the same sender
};

RequestProcessor::RequestProcessor(Parts parts)
    : parts_(parts), cache_(parts.series_cache_entries, parts.clock) {}

Result<PreparedWrite> RequestProcessor::prepare(const WireBody& body, const Caller& caller,
                                                Origin origin, Workspace& work) {
  Pass pass{.caller = caller, .work = work, .origin = origin};
  if (auto found = find_series(body, pass); !found) return std::move(found).error();
  if (auto identified = identify_misses(pass); !identified) return std::move(identified).error();
  gather_senders(pass);
  decide(pass);
  if (origin == Origin::Sender) watch_pairs(pass);
  if (auto built = build_rows(pass); !built) {
    for (const SenderShare& share : pass.write.senders) {
      if (share.decision.replay_first) parts_.ha.postpone_replay(share.who->group);
    }
    return std::move(built).error();
  }
  add_metadata(pass);
  return std::move(pass.write);
}

Result<PreparedWrite> RequestProcessor::prepare_again(const WireBody& body, const Caller& caller,
                                                      const StaleRows& stale, Workspace& work) {
  Pass pass{.caller = caller, .work = work, .stale = &stale};
  if (auto found = find_series(body, pass); !found) return std::move(found).error();
  if (auto identified = identify_misses(pass); !identified) return std::move(identified).error();
  gather_senders(pass);
  // The decisions of the first pass: only so the rows come in the same order again.
  for (const SenderShare& before : stale.senders)
    pass.share(before.sender).decision = before.decision;
  if (auto built = build_rows(pass); !built) return std::move(built).error();
  return std::move(pass.write);
}

std::optional<Glimpse> RequestProcessor::glimpse(const WireBody& body, const Caller& caller,
                                                 Workspace& work) const {
  if (body.kind.format != WireFormat::RemoteWrite1 || body.kind.encoding != BodyEncoding::Snappy)
    return std::nullopt;
  WriteRequestDecoder& decoder = work.version1;
  decoder.decode_beginning(work.buffer.beginning(body.bytes));
  decoder.series_keys(caller.settings->series_seed(caller.binding), work.keys);
  work.found.resize(work.keys.size());
  cache_.find(work.keys, work.found);
  Glimpse seen;
  size_t known = 0;
  uint32_t sender = CachedSeries::kUnknown;
  for (const CachedSeries& found : work.found) {
    if (found.sender >= kRefusedSeries) continue;  // unknown or dropped
    if (known++ > 0 && found.sender != sender) return std::nullopt;
    sender = found.sender;
  }
  // New series are learned by reading.
  if (known == 0 || known * 2 < work.found.size()) return std::nullopt;
  seen.who = &senders_.at(sender);
  if (seen.who->replica.empty()) return std::nullopt;
  for (const model::Sample& sample : decoder.samples())
    seen.newest = std::max(seen.newest, sample.t);
  return seen;
}

Status RequestProcessor::find_series(const WireBody& body, Pass& pass) {
  Workspace& work = pass.work;
  auto decoded = work.buffer.uncompress(
      body.bytes, pass.caller.settings->options.decoded_limit_bytes, body.kind.encoding);
  if (!decoded) return std::move(decoded).error();
  switch (body.kind.format) {
    case WireFormat::RemoteWrite1: work.decoder = &work.version1; break;
    case WireFormat::RemoteWrite2: work.decoder = &work.version2; break;
    case WireFormat::Otlp: work.decoder = &work.otlp; break;
  }
  if (auto walked = work.decoder->decode(*decoded); !walked) return walked;
  work.decoder->series_keys(pass.caller.settings->series_seed(pass.caller.binding), work.keys);
  work.found.resize(work.keys.size());
  cache_.find(work.keys, work.found);
  return {};
}

Status RequestProcessor::identify_misses(Pass& pass) {
  Workspace& work = pass.work;
  work.misses.clear();
  work.learned.clear();
  const auto& series = work.decoder->series();
  for (uint32_t i = 0; i < series.size(); ++i) {
    if (work.found[i].sender != CachedSeries::kUnknown) continue;
    if (series[i].defect != nullptr) {
      refuse_series(pass, i, cluster_of({}, pass.caller.binding),
                    {work.decoder->defect_reason(), series[i].defect});
      continue;
    }
    auto labels = work.decoder->labels(i);
    if (!labels) return std::move(labels).error();
    bool dropped = false;
    auto identified = identify_labels(pass, *labels, dropped);
    if (dropped) {
      work.found[i] = {{}, CachedSeries::kDropped, true};
      work.learned.push_back({work.keys[i], work.found[i]});
      continue;
    }
    if (auto* refused = std::get_if<Refused>(&identified)) {
      refuse_series(pass, i, cluster_of(*labels, pass.caller.binding), *refused);
      continue;
    }
    auto& identity = std::get<SeriesIdentity>(identified);
    work.found[i].sender = senders_.intern(identity.cluster, identity.group, identity.replica);
    work.misses.push_back({i, std::move(identity)});
  }
  misses_.add(work.misses.size());
  return {};
}

std::variant<SeriesIdentity, Refused> RequestProcessor::identify_labels(
    const Pass& pass, const std::vector<model::LabelView>& sent, bool& dropped) const {
  const Settings& settings = *pass.caller.settings;
  const ClusterBinding* binding = pass.caller.binding;
  std::vector<model::LabelView> labels = sent;
  Relabeller::LabelMap relabelled;  // what `labels` then points into
  const Relabeller& relabeller = settings.bindings.relabeller(binding);
  if (!relabeller.empty()) {
    for (const model::LabelView& label : labels) {
      if (!label.value.empty()) relabelled.emplace(label.name, label.value);
    }
    dropped = !relabeller.apply(relabelled);
    if (dropped) return Refused{};
    labels.clear();
    for (const auto& [name, value] : relabelled) labels.push_back({name, value});
  }
  if (binding != nullptr && settings.bindings.forwards(*binding, cluster_of(labels, nullptr)))
    binding = nullptr;
  return identify(std::move(labels), binding, settings.options);
}

void RequestProcessor::refuse_series(Pass& pass, uint32_t index, std::string_view cluster,
                                     const Refused& refused) {
  pass.work.found[index].sender = kRefusedSeries;
  const uint32_t sender = senders_.intern(std::string(cluster), {}, {});
  SenderShare& share = pass.share(sender);
  share.who = &senders_.at(sender);
  // A series without samples is still worth the answer 400.
  const uint32_t rows = std::max(pass.work.decoder->series()[index].samples, 1u);
  share.counts.received += rows;
  refuse(pass.write, share.counts, refused, rows);
}

void RequestProcessor::gather_senders(Pass& pass) {
  const Workspace& work = pass.work;
  const auto& series = work.decoder->series();
  const auto& samples = work.decoder->samples();
  uint32_t first = CachedSeries::kUnknown;
  for (uint32_t i = 0; i < series.size(); ++i) {
    if (work.found[i].sender >= kRefusedSeries) continue;  // refused or dropped
    SenderShare& share = pass.share(work.found[i].sender);
    if (first == CachedSeries::kUnknown) first = work.found[i].sender;
    pass.write.mixed = pass.write.mixed || work.found[i].sender != first;
    for (uint32_t s = 0; s < series[i].samples; ++s) {
      share.newest = std::max(share.newest, samples[series[i].first_sample + s].t);
    }
  }
  for (SenderShare& share : pass.write.senders) share.who = &senders_.at(share.sender);
  if (first != CachedSeries::kUnknown) pass.write.first_sender = &senders_.at(first);
  pass.write.samples = samples.size();
}

void RequestProcessor::decide(Pass& pass) {
  for (SenderShare& share : pass.write.senders) {
    if (share.who->replica.empty()) continue;
    share.decision =
        pass.origin == Origin::Sender
            ? parts_.ha.observe(share.who->group, share.who->replica, share.newest)
            : parts_.ha.decide_again(share.who->group, share.who->replica, share.newest);
    auto& policy = pass.write.batch.replicas;
    if (share.decision.stitch) {
      policy = store::ReplicaPolicy::ChangeOfLead;
    } else if (policy == store::ReplicaPolicy::SingleSender) {
      policy = store::ReplicaPolicy::ElectedReplica;
    }
  }
}

Status RequestProcessor::build_rows(Pass& pass) {
  Workspace& work = pass.work;
  const auto& series = work.decoder->series();
  if (pass.stale == nullptr) pass.write.batch.floats.reserve(work.decoder->samples().size());
  size_t next_miss = 0;
  for (uint32_t i = 0; i < series.size(); ++i) {
    if (work.found[i].sender == kRefusedSeries) continue;
    if (work.found[i].sender == CachedSeries::kDropped) {
      if (auto dropped = drop(pass, i); !dropped) return dropped;
      continue;
    }
    const SeriesIdentity* identity = nullptr;
    if (next_miss < work.misses.size() && work.misses[next_miss].series == i) {
      identity = &work.misses[next_miss++].identity;
    }
    SenderShare& share = pass.share(work.found[i].sender);
    if (pass.stale != nullptr && has_stale_rows(pass, i, share)) work.found[i].resolved = false;
    if (!work.found[i].resolved && share.decision.keep) {
      if (auto resolved = resolve(pass, i, identity); !resolved) return resolved;
      if (work.found[i].sender == kRefusedSeries) continue;
    } else if (identity != nullptr) {
      work.learned.push_back(
          {work.keys[i], work.found[i]});  // a standby's: known, but no series is made for it
    }
    add_floats(pass, i, share);
    if (series[i].has_histograms) {
      if (auto added = add_histograms(pass, i, share); !added) return added;
    }
    if (series[i].has_exemplars) {
      if (auto added = add_exemplars(pass, i, share); !added) return added;
    }
  }
  if (!work.learned.empty()) cache_.insert(work.learned);
  return {};
}

bool RequestProcessor::has_stale_rows(const Pass& pass, uint32_t index,
                                      const SenderShare& share) const {
  const DecodedSeries& series = pass.work.decoder->series()[index];
  const auto& stale = pass.stale->indexes;
  // Which rows its histograms are is known only after parsing them; resolving once too often does
  // no harm.
  if (series.has_histograms) return !stale.empty() && stale.back() >= pass.stale->floats;
  const uint32_t rows = share.decision.keep ? series.samples : 0;
  const auto next = std::lower_bound(stale.begin(), stale.end(), pass.float_rows);
  return next != stale.end() && *next < pass.float_rows + rows;
}

Status RequestProcessor::resolve(Pass& pass, uint32_t index, const SeriesIdentity* identity) {
  Workspace& work = pass.work;
  CachedSeries& entry = work.found[index];
  std::variant<SeriesIdentity, Refused> again;
  if (identity == nullptr) {
    auto labels = work.decoder->labels(index);
    if (!labels) return std::move(labels).error();
    bool dropped = false;
    again = identify_labels(pass, *labels, dropped);
    identity = std::get_if<SeriesIdentity>(&again);
    AERIE_CHECK(identity != nullptr && !dropped, "a cached series has labels that are refused");
  }
  if (!admit(pass, index, identity->labels, pass.share(entry.sender))) return {};
  entry.handle = parts_.store.resolve(identity->labels);
  entry.resolved = true;
  work.learned.push_back({work.keys[index], entry});
  return {};
}

// Only a series that would be created is asked for; a replay of what was acknowledged is not.
bool RequestProcessor::admit(Pass& pass, uint32_t index, const model::Labels& labels,
                             SenderShare& share) {
  const std::string_view cluster = share.who->cluster;
  const ClusterLimits& limits = pass.caller.settings->limits_of(cluster);
  const bool unlimited = limits.active_series == 0 && limits.new_series_per_second == 0;
  if (unlimited || pass.origin == Origin::Standby || pass.stale != nullptr) return true;
  if (parts_.store.knows(labels)) return true;
  const auto refused =
      parts_.limits.admit_series(cluster.empty() ? kUnlabelledCluster : cluster, limits);
  if (!refused) return true;
  pass.work.found[index].sender = kRefusedSeries;
  const uint32_t rows = std::max(pass.work.decoder->series()[index].samples, 1u);
  share.counts.received += rows;
  refuse(pass.write, share.counts, *refused, rows);
  return false;
}

// The operator wants it so: the sender hears that all is well.
Status RequestProcessor::drop(Pass& pass, uint32_t index) {
  if (pass.stale != nullptr) return {};
  const DecodedSeries& series = pass.work.decoder->series()[index];
  const uint32_t sender = senders_.intern(pass.caller.binding->name, {}, {});
  SenderShare& share = pass.share(sender);
  share.who = &senders_.at(sender);
  uint32_t dropped = series.samples;
  pass.write.floats_settled += series.samples;
  if (series.has_histograms) {
    const auto histograms = pass.work.decoder->histograms(index);
    if (!histograms) return histograms.error();
    pass.write.histograms_settled += static_cast<uint32_t>(histograms->size());
    dropped += static_cast<uint32_t>(histograms->size());
  }
  if (series.has_exemplars) {
    const auto exemplars = pass.work.decoder->exemplars(index);
    if (!exemplars) return exemplars.error();
    pass.write.exemplars_settled += static_cast<uint32_t>(exemplars->size());
    dropped += static_cast<uint32_t>(exemplars->size());
  }
  share.counts.received += dropped;
  share.counts.dropped += dropped;
  return {};
}

std::map<std::string, uint64_t, std::less<>> RequestProcessor::active_series() const {
  std::map<std::string, uint64_t, std::less<>> counts;
  for (const auto& [sender, active] : cache_.count_active(kActiveMinutes)) {
    const std::string& cluster = senders_.at(sender).cluster;
    counts[cluster.empty() ? kUnlabelledCluster : cluster] += active;
  }
  return counts;
}

void RequestProcessor::add_floats(Pass& pass, uint32_t index, SenderShare& share) {
  const DecodedSeries& series = pass.work.decoder->series()[index];
  const model::Sample* samples = pass.work.decoder->samples().data() + series.first_sample;
  share.counts.received += series.samples;
  if (!share.decision.keep) {
    share.counts.deduplicated += series.samples;
    pass.write.floats_settled += series.samples;
    return;
  }
  auto& floats = pass.write.batch.floats;
  auto& float_starts = pass.write.batch.float_starts;
  const auto& starts = pass.work.decoder->starts();
  const size_t first = floats.size();
  bool ordered = true;
  for (uint32_t s = 0; s < series.samples; ++s) {
    if (!pass.wanted(pass.float_rows++)) continue;
    ordered = ordered && (floats.size() == first || floats.back().t <= samples[s].t);
    floats.push_back({pass.work.found[index].handle, samples[s].t, samples[s].value});
    const size_t sample = series.first_sample + s;
    if (sample < starts.size() && starts[sample] != 0) {
      float_starts.resize(floats.size());
      float_starts.back() = starts[sample];
    }
  }
  if (!float_starts.empty()) float_starts.resize(floats.size());
  if (!ordered) sort_by_time(pass.write.batch, first);
  share.rows += static_cast<uint32_t>(floats.size() - first);
}

Status RequestProcessor::add_histograms(Pass& pass, uint32_t index, SenderShare& share) {
  auto histograms = pass.work.decoder->histograms(index);
  if (!histograms) return std::move(histograms).error();
  auto& rows = pass.write.batch.histograms;
  const size_t first = rows.size();
  if (first + histograms->size() > RequestLimits::kHistograms) return past_limit("histograms");
  for (HistogramOrRefused& parsed : *histograms) {
    ++share.counts.received;
    if (const auto* refused = std::get_if<Refused>(&parsed)) {
      refuse(pass.write, share.counts, *refused, 1);
      continue;
    }
    auto& decoded = std::get<DecodedHistogram>(parsed);
    if (!share.decision.keep) {
      ++share.counts.deduplicated;
      ++pass.write.histograms_settled;
      continue;
    }
    share.newest = std::max(share.newest, decoded.t);
    const uint32_t row = pass.histogram_rows++;
    if (pass.stale != nullptr && !pass.wanted(pass.stale->floats + row)) continue;
    rows.push_back(
        {pass.work.found[index].handle, decoded.t, std::move(decoded.histogram), decoded.start});
  }
  std::stable_sort(rows.begin() + static_cast<ptrdiff_t>(first), rows.end(),
                   [](const auto& a, const auto& b) { return a.t < b.t; });
  share.rows += static_cast<uint32_t>(rows.size() - first);
  return {};
}

Status RequestProcessor::add_exemplars(Pass& pass, uint32_t index, SenderShare& share) {
  if (pass.stale != nullptr) return {};
  auto exemplars = pass.work.decoder->exemplars(index);
  if (!exemplars) return std::move(exemplars).error();
  if (pass.write.batch.exemplars.size() + exemplars->size() > RequestLimits::kExemplars)
    return past_limit("exemplars");
  for (DecodedExemplar& exemplar : *exemplars) {
    ++share.counts.received;
    const bool utf8 =
        std::all_of(exemplar.labels.begin(), exemplar.labels.end(), [](const auto& label) {
          return model::is_valid_utf8(label.name) && model::is_valid_utf8(label.value);
        });
    if (exemplar.defect != nullptr) {
      refuse(pass.write, share.counts, {Refusal::InvalidExemplar, exemplar.defect}, 1);
    } else if (!utf8) {
      refuse(pass.write, share.counts, {Refusal::InvalidExemplar, "exemplar label is not UTF-8"},
             1);
    } else if (!share.decision.keep) {
      ++share.counts.deduplicated;
      ++pass.write.exemplars_settled;
    } else {
      pass.write.batch.exemplars.push_back({pass.work.found[index].handle, exemplar.t,
                                            exemplar.value,
                                            model::Labels::from_pairs(std::move(exemplar.labels))});
      ++share.rows;
    }
  }
  return {};
}

void RequestProcessor::add_metadata(Pass& pass) {
  const auto& entries = pass.work.decoder->metadata();
  std::vector<uint64_t> keys;
  keys.reserve(entries.size());
  std::vector<std::string_view> clusters;
  clusters.reserve(entries.size());
  for (const DecodedMetadata& entry : entries) {
    clusters.push_back(cluster_of_metadata(pass, entry));
    keys.push_back(metadata_key(entry, clusters.back(), pass.caller.settings->process_seed));
  }
  const std::vector<bool> known = metadata_.known(keys);
  for (size_t i = 0; i < entries.size(); ++i) {
    const DecodedMetadata& entry = entries[i];
    const bool says_nothing =
        entry.metric_family.empty() || !model::is_valid_utf8(entry.metric_family) ||
        !model::is_valid_utf8(entry.help) || !model::is_valid_utf8(entry.unit);
    if (known[i] || says_nothing) continue;  // not worth refusing the request either
    pass.write.metadata_keys.push_back(keys[i]);
    pass.write.batch.metadata.push_back(
        {std::string(clusters[i]),
         std::string(entry.metric_family),
         {entry.type, std::string(entry.help), std::string(entry.unit)}});
  }
}

std::string_view RequestProcessor::cluster_of_metadata(const Pass& pass,
                                                       const DecodedMetadata& entry) const {
  if (pass.caller.binding != nullptr) return pass.caller.binding->name;
  if (entry.series == DecodedMetadata::kNoSeries) return {};
  const uint32_t sender = pass.work.found[entry.series].sender;
  return sender >= kRefusedSeries ? std::string_view{} : senders_.at(sender).cluster;
}

void RequestProcessor::watch_pairs(Pass& pass) {
  const ClusterBinding* binding = pass.caller.binding;
  const UnlabelledPairs mode = binding != nullptr && binding->unlabelled_pairs
                                   ? *binding->unlabelled_pairs
                                   : pass.caller.settings->options.ha.unlabelled_pairs;
  if (mode == UnlabelledPairs::Off) return;
  bool pair = false;
  for (const SenderShare& share : pass.write.senders) {
    if (!share.who->replica.empty() || share.who->cluster.empty()) continue;
    if (mode == UnlabelledPairs::Always) {
      pair = true;
      continue;
    }
    Workspace& work = pass.work;
    work.watched.clear();
    const auto& series = work.decoder->series();
    for (uint32_t i = 0; i < series.size(); ++i) {
      if (work.found[i].sender != share.sender || (work.keys[i].high & kWatchMask) != 0) continue;
      for (uint32_t s = 0; s < series[i].samples; ++s) {
        work.watched.push_back(
            {work.keys[i].low, work.decoder->samples()[series[i].first_sample + s].t});
      }
    }
    pair = parts_.pairs.observe(share.who->cluster, work.watched) || pair;
  }
  if (pair) pass.write.batch.replicas = store::ReplicaPolicy::UnlabelledPair;
}

}  // namespace aerie::ingest
