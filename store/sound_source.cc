#include "store/sound_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace aerie::store {
namespace {

using Partitions = std::vector<std::shared_ptr<const Partition>>;

class WarnedSelection final : public model::Selection {
 public:
  WarnedSelection(std::unique_ptr<model::Selection> inner, std::vector<std::string> warnings)
      : inner_(std::move(inner)), warnings_(std::move(warnings)) {}
  size_t size() const override { return inner_->size(); }
  const model::Labels& labels(size_t index) const override { return inner_->labels(index); }
  Status read(size_t index, model::TimeRange range, model::SeriesSamples& out) const override {
    return inner_->read(index, range, out);
  }
  std::vector<std::string> warnings() const override { return warnings_; }

 private:
  const std::unique_ptr<model::Selection> inner_;
  const std::vector<std::string> warnings_;
};

class SoundSource final : public model::SampleSource {
 public:
  SoundSource(Partitions partitions, std::shared_ptr<ReadCache> cache,
              std::shared_ptr<const Erasures> erasures, std::vector<DamagedPartition> left_out)
      : partitions_(std::move(partitions)),
        cache_(std::move(cache)),
        erasures_(std::move(erasures)),
        left_out_(std::move(left_out)),
        inner_(make_partition_source(partitions_, cache_, erasures_)) {}

  Result<std::unique_ptr<model::Selection>> select(const model::Matchers& matchers,
                                                   model::TimeRange range) const override {
    using Answer = Result<std::unique_ptr<model::Selection>>;
    std::vector<DamagedPartition> missing = left_out_;
    Answer selection = ask<Answer>(
        [&](const model::SampleSource& source) { return source.select(matchers, range); }, missing);
    if (!selection) return selection;
    std::vector<std::string> warnings = damage_warnings(missing, range);
    if (warnings.empty()) return selection;
    return std::unique_ptr<model::Selection>(
        std::make_unique<WarnedSelection>(std::move(*selection), std::move(warnings)));
  }

  Result<std::vector<std::string>> label_names(const model::Matchers& matchers,
                                               model::TimeRange range) const override {
    std::vector<DamagedPartition> missing;
    return ask<Result<std::vector<std::string>>>(
        [&](const model::SampleSource& source) { return source.label_names(matchers, range); },
        missing);
  }

  Result<std::vector<std::string>> label_values(std::string_view name,
                                                const model::Matchers& matchers,
                                                model::TimeRange range) const override {
    std::vector<DamagedPartition> missing;
    return ask<Result<std::vector<std::string>>>(
        [&](const model::SampleSource& source) {
          return source.label_values(name, matchers, range);
        },
        missing);
  }

  Result<std::vector<model::SeriesExemplars>> exemplars(
      const std::vector<model::Matchers>& selectors, model::TimeRange range) const override {
    std::vector<DamagedPartition> missing;
    return ask<Result<std::vector<model::SeriesExemplars>>>(
        [&](const model::SampleSource& source) { return source.exemplars(selectors, range); },
        missing);
  }

 private:
  /// Asks all; if one turns out to be damaged, asks the others.
  template <class Answer, class Ask>
  Answer ask(Ask&& question, std::vector<DamagedPartition>& missing) const {
    Answer answer = question(*inner_);
    Partitions sound = partitions_;
    while (!answer && answer.error().code() == ErrorCode::Corruption) {
      const auto bad = std::stable_partition(sound.begin(), sound.end(),
                                             [](const auto& one) { return !one->is_damaged(); });
      if (bad == sound.end()) return answer;
      for (auto at = bad; at != sound.end(); ++at) missing.push_back((*at)->damaged());
      sound.erase(bad, sound.end());
      answer = question(*make_partition_source(sound, cache_, erasures_));
    }
    return answer;
  }

  const Partitions partitions_;
  const std::shared_ptr<ReadCache> cache_;
  const std::shared_ptr<const Erasures> erasures_;
  const std::vector<DamagedPartition> left_out_;
  const std::shared_ptr<const model::SampleSource> inner_;
};

}  // namespace

std::vector<std::string> damage_warnings(const std::vector<DamagedPartition>& damaged,
                                         model::TimeRange range) {
  std::vector<std::string> out;
  for (const DamagedPartition& one : damaged) {
    if (!one.covers.overlaps(range)) continue;
    out.push_back(fmt::format("samples from {} to {} may be missing: {} is damaged",
                              model::format_rfc3339(one.covers.first),
                              model::format_rfc3339(one.covers.last), one.name));
  }
  return out;
}

std::shared_ptr<const model::SampleSource> make_sound_source(
    Partitions partitions, std::shared_ptr<ReadCache> cache,
    std::shared_ptr<const Erasures> erasures, std::vector<DamagedPartition> left_out) {
  return std::make_shared<const SoundSource>(std::move(partitions), std::move(cache),
                                             std::move(erasures), std::move(left_out));
}

}  // namespace aerie::store
