#include "store/local_store.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "store/exemplar_reader.h"
#include "store/merged_selection.h"

namespace aerie::store {
namespace {

Head::Options head_options(const StoreOptions& options) {
  Head::Options out;
  out.partition_span = options.partition_span;
  out.retention = options.retention;
  out.future_limit = options.future_limit;
  return out;
}

std::vector<std::string> united(std::vector<std::string> a, std::vector<std::string> b) {
  a.insert(a.end(), std::make_move_iterator(b.begin()), std::make_move_iterator(b.end()));
  std::sort(a.begin(), a.end());
  a.erase(std::unique(a.begin(), a.end()), a.end());
  return a;
}

bool overlaps(const HeadBlocks& blocks, model::TimeRange range) {
  return std::any_of(blocks.begin(), blocks.end(),
                     [&](const auto& block) { return block->extent().overlaps(range); });
}

}  // namespace

LocalStore::LocalStore(const StoreOptions& options, const Clock& clock)
    : options_(options), clock_(clock), arrivals_(clock), head_(head_options(options)) {}

LocalStore::~LocalStore() {
  close().ignore("a destructor has nobody to tell; close() was the place to ask");
}

Result<std::unique_ptr<LocalStore>> LocalStore::open(StoreOptions options, const Clock& clock,
                                                     FileSystem& files, MetricRegistry& metrics,
                                                     const OpenPartitions& open_partitions) {
  if (options.partition_span <= 0)
    return Error(ErrorCode::InvalidArgument, "partition span must be positive");
  std::unique_ptr<LocalStore> store(new LocalStore(options, clock));  // NOLINT: private constructor
  if (auto started = store->start(files, metrics, open_partitions); !started) {
    return std::move(started).error().with("open store " + options.path);
  }
  return store;
}

Status LocalStore::start(FileSystem& files, MetricRegistry& metrics,
                         const OpenPartitions& open_partitions) {
  auto folder = StoreFolder::open(options_.path, files);
  if (!folder) return std::move(folder).error();
  folder_ = std::move(*folder);
  files_ = &files;
  SpaceGuard::Options space_options;
  space_options.folder = options_.path;
  space_ = std::make_unique<SpaceGuard>(space_options, files, metrics);

  PartitionSet::Options partition_options;
  partition_options.path = options_.path + "/db";
  partition_options.on_step = options_.on_step;
  partition_options.on_removed = [this] { changes_.note_everything(); };
  auto partitions = open_partitions(partition_options);
  if (!partitions) return std::move(partitions).error();
  partitions_ = std::move(*partitions);
  auto table = partitions_->table("metric_metadata");
  if (!table) return std::move(table).error();
  auto metadata = MetadataCache::open(*table);
  if (!metadata) return std::move(metadata).error();
  metadata_ = std::move(*metadata);

  LateGuard::Options guard_options;
  guard_options.retention = options_.retention;
  guard_options.backfill_days_per_hour = options_.backfill_days_per_hour;
  if (auto opened = open_deletions(); !opened) return opened;
  guard_options.erasures = [this] { return erased_->current(); };
  guard_options.generations_per_day = options_.generations_per_day;
  late_guard_ = std::make_unique<LateGuard>(guard_options, head_, *partitions_, metrics);

  const int64_t begin = clock_.monotonic_ns();
  ReplayDeletions deletions(*deletions_->current());
  const SealedRanges sealed(partitions_->live(), &deletions);
  LocalLog::Options log_options;
  log_options.folder = options_.path + "/log";
  log_options.sync = options_.sync;
  log_options.sync_interval = options_.sync_interval;
  log_options.origin = sealed.end();
  log_options.on_step = options_.on_step;
  log_options.admit = [this](uint64_t bytes) { return space_->admit(bytes); };
  log_options.skip_corrupt = options_.skip_corrupt_log;
  log_options.lost = [this](const LogLoss& loss) { replay_loss(loss); };
  log_options.sync_seconds = &metrics.histogram(
      "aerie_store_log_sync_duration_seconds", "Time of one fdatasync of the log.",
      {0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3});
  auto log = LocalLog::open(log_options, clock_, files, [&](const LogFrame& frame) {
    for (const Erasure* one : deletions.passed(frame.position)) head_.carry_out(*one);
    return replay(frame, sealed);
  });
  if (!log) return std::move(log).error();
  log_ = std::move(*log);
  for (const Erasure* one : deletions.passed(log_->committed_end())) head_.carry_out(*one);
  if (auto limited = deletions_->limit_positions(log_->committed_end()); !limited) return limited;
  if (auto forgotten = forget_deleted(); !forgotten) return forgotten;
  AERIE_LOG(Info, "log replayed", {"series", head_.index().size()}, {"samples", head_.samples()},
            {"seconds", static_cast<double>(clock_.monotonic_ns() - begin) / 1e9});

  Applier::Options applier_options;
  applier_options.sync_when_idle = options_.sync == SyncMode::Interval;
  applier_options.out_of_order_window = options_.out_of_order_window;
  applier_options.late_guard = late_guard_.get();
  applier_options.changes = &changes_;
  applier_options.tap = options_.tap;
  memory_ = std::make_unique<MemoryLimit>(options_.head_memory_bytes, metrics);
  memory_->watch("selections", [this] { return head_selections_.bytes(); });
  memory_->watch("read_cache", [this] { return partitions_->cached_bytes(); });
  applier_options.memory = memory_.get();
  applier_ = std::make_unique<Applier>(applier_options, head_, *log_, arrivals_, *metadata_, clock_,
                                       metrics);
  start_background(metrics);
  Scrubber::Options scrubber_options;
  scrubber_options.background = options_.background_seal;
  scrubber_ = std::make_unique<Scrubber>(
      scrubber_options, [this](const CheckPace& pace) { return check(pace); }, clock_, metrics);
  if (losses_ == 0) return {};
  AERIE_LOG(Error, "samples whose series was defined in a lost part of the log are lost too",
            {"samples", orphans_});
  // Sealing everything trims the damaged files away: the next start needs no permission.
  return sealer_->flush();
}

void LocalStore::start_background(MetricRegistry& metrics) {
  Sealer::Options sealer_options;
  sealer_options.partition_span = options_.partition_span;
  sealer_options.retention = options_.retention;
  sealer_options.background = options_.background_seal;
  sealer_options.on_step = options_.on_step;
  sealer_options.space = space_.get();
  sealer_options.erasures = [this] { return erased_->current(); };
  sealer_options.memory = memory_.get();
  sealer_ = std::make_unique<Sealer>(sealer_options, head_, *log_, *applier_, *partitions_,
                                     *metadata_, clock_, metrics);
  Merger::Options merger_options;
  merger_options.rules = {options_.partition_span, options_.retention};
  merger_options.retention_bytes = options_.retention_bytes;
  merger_options.background = options_.background_seal;
  merger_ = std::make_unique<Merger>(
      merger_options,
      Merger::Ports{.partitions = *partitions_,
                    .clock = clock_,
                    .metrics = metrics,
                    .erasures = [this] { return erased_->current(); },
                    .carried_out = [this](const Erasure& one) { return carried_out(one); },
                    .log_bytes = [this] { return log_->file_bytes(); }});
}

Status LocalStore::replay(const LogFrame& frame, const SealedRanges& sealed) {
  switch (frame.type) {
    case RecordType::Batch: return replay_batch(frame, sealed);
    case RecordType::Arrivals: {
      std::vector<ClusterWatermark> clusters;
      if (auto decoded = decode_arrivals(frame.payload, clusters); !decoded) return decoded;
      for (const ClusterWatermark& one : clusters) arrivals_.restore(one.cluster, one.watermark);
      return {};
    }
    case RecordType::Checkpoint: {
      if (replayed_batches_ && is_last_checkpoint_part(frame.payload)) head_.forget_neighbours();
      // Later ones repeat what the records before them say, unless some of those were lost.
      if (replayed_batches_ && losses_ == 0) return {};
      std::vector<SeriesSnapshot> series;
      if (auto decoded = decode_checkpoint_part(frame.payload, series); !decoded) return decoded;
      for (const SeriesSnapshot& one : series) head_.restore(one);
      return {};
    }
  }
  return Error(ErrorCode::InvalidArgument, "log record of type " +
                                               std::to_string(static_cast<int>(frame.type)) +
                                               " was written by a newer aerie");
}

Status LocalStore::replay_batch(const LogFrame& frame, const SealedRanges& sealed) {
  replayed_batches_ = true;
  LoggedBatch batch;
  if (auto decoded = decode_batch(frame.payload, batch); !decoded) return decoded;
  const auto check_slot = [](uint32_t slot) { return slot < SlotDirectory<SeriesState>::kLimit; };
  for (const SeriesDefinition& one : batch.definitions) {
    if (!check_slot(one.id)) return Error(ErrorCode::Corruption, "series id out of range");
    head_.define(one.id, one.labels, frame.position);
  }
  const auto is_defined = [this](uint32_t slot) {
    const SeriesState* state = head_.index().state(slot);
    return state != nullptr && state->defined;
  };
  const auto defined = [&](const auto& rows) {
    return std::all_of(rows.begin(), rows.end(),
                       [&](const auto& row) { return is_defined(row.series.slot); });
  };
  for (const SeriesNewest& one : batch.newest) {
    if (!is_defined(one.id) && losses_ > 0) continue;
    if (!is_defined(one.id))
      return Error(ErrorCode::Corruption, "a newest sample of a series that was never defined");
    head_.revive(one);
  }
  if (losses_ > 0) orphans_ += drop_undefined(batch.rows);
  if (!defined(batch.rows.floats) || !defined(batch.rows.histograms) ||
      !defined(batch.rows.exemplars)) {
    return Error(ErrorCode::Corruption, "a sample belongs to a series that was never defined");
  }
  for (ExemplarRow& row : batch.rows.exemplars) {
    row.series.generation =
        head_.index().state(row.series.slot)->generation.load(std::memory_order_relaxed);
  }
  if (auto screened = late_guard_->screen_replayed(batch.rows, batch.arrived); !screened)
    return screened;
  WriteOutcome outcome;
  head_.apply(frame.position, batch.arrived, batch.rows, &sealed, outcome);
  metadata_->apply(batch.rows.metadata);
  return {};
}

/// Behind a loss an id still means the series that it meant before, because ids are given away
/// again only behind a checkpoint; if one may have been lost, only what is defined again counts.
void LocalStore::replay_loss(const LogLoss& loss) {
  ++losses_;
  head_.forget_neighbours();
  if (loss.checkpoint) head_.distrust_ids();
}

size_t LocalStore::drop_undefined(WriteBatch& rows) const {
  const auto undefined = [this](const auto& row) {
    const SeriesState* state = head_.index().state(row.series.slot);
    return state == nullptr || !state->defined;
  };
  size_t row = 0;
  std::erase_if(rows.float_starts,
                [&](model::TimestampMs) { return undefined(rows.floats[row++]); });
  return std::erase_if(rows.floats, undefined) + std::erase_if(rows.histograms, undefined) +
         std::erase_if(rows.exemplars, undefined);
}

Status LocalStore::close() {
  if (!log_) return {};
  if (scrubber_) scrubber_->stop();
  if (merger_) merger_->stop();
  if (sealer_) sealer_->stop();
  if (applier_) applier_->stop();
  return log_->close();
}

// ------------------------------------------------------------------------------------------------------------
// reading

Result<std::unique_ptr<model::Selection>> LocalStore::select(const model::Matchers& matchers,
                                                             model::TimeRange range) const {
  MergedSelection::Sources sources;
  // Erasures before everything else: what they no longer say is carried out in what is taken later.
  const ErasuresPtr erasures = erased_->current();
  sources.erased = HeadErasures(erasures, range);
  // Head before partitions: a block that is sealed in between is seen twice, never not at all.
  const auto blocks = head_.blocks();
  for (const auto& block : *blocks) {
    if (block->extent().overlaps(range)) sources.blocks.push_back(block);
  }
  if (!sources.blocks.empty()) sources.head = head_selections_.select(matchers);
  sources.pinned = partitions_->pin(erasures);
  auto partitions = sources.pinned->select(matchers, range);
  if (!partitions || !sources.head || sources.head->labels.empty()) return partitions;
  sources.partitions = std::move(*partitions);
  return std::unique_ptr<model::Selection>(std::make_unique<MergedSelection>(std::move(sources)));
}

Result<std::vector<std::string>> LocalStore::label_names(const model::Matchers& matchers,
                                                         model::TimeRange range) const {
  const ErasuresPtr erasures = erased_->current();
  std::vector<std::string> head;
  if (overlaps(*head_.blocks(), range)) head = head_.index().label_names(matchers);
  auto sealed = partitions_->pin(erasures)->label_names(matchers, range);
  if (!sealed) return std::move(sealed).error();
  return united(std::move(head), std::move(*sealed));
}

Result<std::vector<std::string>> LocalStore::label_values(std::string_view name,
                                                          const model::Matchers& matchers,
                                                          model::TimeRange range) const {
  const ErasuresPtr erasures = erased_->current();
  std::vector<std::string> head;
  if (overlaps(*head_.blocks(), range)) head = head_.index().label_values(name, matchers);
  auto sealed = partitions_->pin(erasures)->label_values(name, matchers, range);
  if (!sealed) return std::move(sealed).error();
  return united(std::move(head), std::move(*sealed));
}

Result<std::vector<model::SeriesExemplars>> LocalStore::exemplars(
    const std::vector<model::Matchers>& selectors, model::TimeRange range) const {
  const ErasuresPtr erasures = erased_->current();
  auto head = head_.exemplars(selectors, range, HeadErasures(erasures, range));
  auto sealed = partitions_->pin(erasures)->exemplars(selectors, range);
  if (!sealed) return sealed;
  FoundExemplars all;
  for (auto* part : {&*sealed, &head}) {
    for (model::SeriesExemplars& one : *part) {
      auto& mine = all[std::move(one.series)];
      std::move(one.exemplars.begin(), one.exemplars.end(), std::back_inserter(mine));
    }
  }
  return tidy(std::move(all));  // what is sealed meanwhile is in both
}

std::vector<FamilyMetadata> LocalStore::metadata(std::string_view metric_family) const {
  return metadata_->find(metric_family);
}

model::TimeRange LocalStore::extent() const {
  model::TimeRange all{model::kMaxTimestamp, model::kMinTimestamp};
  const auto widen = [&](model::TimeRange range) {
    if (range.first > range.last) return;
    all.first = std::min(all.first, range.first);
    all.last = std::max(all.last, range.last);
  };
  const auto blocks = head_.blocks();
  for (const auto& block : *blocks) widen(block->extent());
  for (const PartitionInfo& info : partitions_->live()) widen(info.samples);
  return all;
}

}  // namespace aerie::store
