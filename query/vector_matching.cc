#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <unordered_map>

#include "query/binary_kernels.h"
#include "query/binary_operators.h"
#include "query/label_projection.h"

namespace aerie::query {
namespace {

/// One output series: a series of the many side met with those of the one side that give it these
/// labels. Without a series on one side that side is filled.
struct Pairing {
  static constexpr uint32_t kFilled = UINT32_MAX;
  uint32_t many = kFilled;
  std::vector<uint32_t> ones;  // empty: the one side is filled
  uint32_t key = 0;
  uint32_t uniqueness =
      0;  // pairings of one key with equal labels share it: only one may have a sample at a step
};

/// Bitmaps over the steps, one per id.
class Bitmaps {
 public:
  Bitmaps(size_t ids, size_t words) : words_(words), bits_(ids * words, 0) {}
  std::span<uint64_t> of(uint32_t id) { return {bits_.data() + id * words_, words_}; }
  void add(uint32_t id, std::span<const uint64_t> words) {
    for (size_t w = 0; w < words_; ++w) of(id)[w] |= words[w];
  }

 private:
  const size_t words_;
  std::vector<uint64_t> bits_;
};

/// Everything that labels alone decide.
struct MatchPlan {
  std::vector<uint32_t> many_keys;
  std::vector<uint32_t> one_keys;
  std::vector<model::Labels> key_labels;
  std::vector<SeriesInfo> one_series;
  std::vector<Pairing> pairings;   // many side ascending, then those that fill it
  std::vector<SeriesInfo> series;  // of the pairings
  size_t uniqueness_ids = 0;
};

class MatchPlanner {
 public:
  MatchPlanner(const Binary& binary, bool delayed_name_removal)
      : binary_(binary),
        matching_(*binary.matching),
        delayed_(delayed_name_removal),
        projection_(matching_.on ? LabelProjection::Keep::Only : LabelProjection::Keep::AllBut,
                    matching_.labels, delayed_name_removal) {}

  MatchPlan plan(const std::vector<SeriesInfo>& many, std::vector<SeriesInfo> one) {
    for (const SeriesInfo& info : many) plan_.many_keys.push_back(projection_.id_of(info));
    for (const SeriesInfo& info : one) plan_.one_keys.push_back(projection_.id_of(info));
    std::vector<std::vector<uint32_t>> ones_of(projection_.size());
    for (size_t j = 0; j < one.size(); ++j)
      ones_of[plan_.one_keys[j]].push_back(static_cast<uint32_t>(j));
    for (size_t i = 0; i < many.size(); ++i) {
      const uint32_t key = plan_.many_keys[i];
      for (const uint32_t j : ones_of[key])
        add(static_cast<uint32_t>(i), many[i], j, one[j].labels, key);
      if (matching_.fill_right) fill_one(static_cast<uint32_t>(i), many[i], key);
    }
    if (matching_.fill_left) {
      for (size_t j = 0; j < one.size(); ++j) {
        const uint32_t key = plan_.one_keys[j];
        add(Pairing::kFilled, {projection_.labels(key), false}, static_cast<uint32_t>(j),
            one[j].labels, key);
      }
    }
    plan_.key_labels = projection_.take_labels();
    plan_.one_series = std::move(one);
    return std::move(plan_);
  }

 private:
  model::Labels result_labels(const SeriesInfo& many, const model::Labels& one) {
    const model::Labels base = visible_labels(many, delayed_);
    builder_.reset(base);
    const bool drop_metadata = binary_.op <= BinaryOp::Atan2 || (binary_.return_bool && !delayed_);
    if (drop_metadata) builder_.remove(model::kMetricName).remove("__type__").remove("__unit__");
    if (matching_.cardinality == Cardinality::OneToOne) {
      if (matching_.on) {
        builder_.keep(matching_.labels);
      } else {
        builder_.drop(matching_.labels);
      }
    }
    for (const std::string& name : matching_.include) builder_.set(name, one.get(name));
    return builder_.build();
  }

  /// Joins the pairing of the same series that has these labels already: the one side changed from
  /// one series to the next.
  void add(uint32_t many, const SeriesInfo& info, uint32_t one, const model::Labels& one_labels,
           uint32_t key) {
    model::Labels labels = result_labels(info, one_labels);
    for (size_t p = plan_.pairings.size(); p > 0 && plan_.pairings[p - 1].many == many; --p) {
      if (many == Pairing::kFilled) break;
      Pairing& pairing = plan_.pairings[p - 1];
      if (pairing.ones.empty() || !(plan_.series[p - 1].labels == labels)) continue;
      pairing.ones.push_back(one);
      return;
    }
    append({many, {one}, key, 0}, std::move(labels));
  }

  void fill_one(uint32_t many, const SeriesInfo& info, uint32_t key) {
    append({many, {}, key, 0}, result_labels(info, projection_.labels(key)));
  }

  void append(Pairing pairing, model::Labels labels) {
    pairing.uniqueness = uniqueness_id(pairing.key, labels);
    plan_.pairings.push_back(std::move(pairing));
    plan_.series.push_back({std::move(labels), binary_.return_bool});
  }

  uint32_t uniqueness_id(uint32_t key, const model::Labels& labels) {
    // One to one: a key may match once, whatever the labels. Else labels may not repeat within a
    // key.
    std::string text = std::to_string(key);
    if (matching_.cardinality != Cardinality::OneToOne) text.append("/").append(labels.encoded());
    const auto [found, inserted] =
        uniqueness_.try_emplace(text, static_cast<uint32_t>(plan_.uniqueness_ids));
    if (inserted) ++plan_.uniqueness_ids;
    return found->second;
  }

  const Binary& binary_;
  const VectorMatching& matching_;
  const bool delayed_;
  LabelProjection projection_;
  MatchPlan plan_;
  model::LabelsBuilder builder_;
  std::unordered_map<std::string, uint32_t> uniqueness_;
};

class MatchStream final : public SeriesStream {
 public:
  MatchStream(const Binary& binary, PositionRange position, StreamPtr many, StreamPtr one,
              MatchPlan plan, const Steps& steps, QueryContext& context)
      : SeriesStream(std::move(plan.series)),
        binary_(binary),
        notices_(position, context.annotations()),
        many_(std::move(many)),
        one_(std::move(one)),
        plan_(std::move(plan)),
        steps_(steps),
        context_(context),
        one_rows_(steps.count, context.budget()),
        one_present_(plan_.key_labels.size(), steps.words()),
        matched_(plan_.key_labels.size(), steps.words()),
        duplicates_(steps.words(), 0),
        unique_(plan_.uniqueness_ids, steps.words()) {
    find_partners();
  }

  /// Evaluates both sides when nothing matches, so that nobody will call next(): each may fail, and
  /// duplicates of the one side are an error.
  Status check_unmatched() {
    if (!plan_.pairings.empty()) return {};
    if (many_->size() > 0 && may_have_duplicates()) {
      if (auto read = read_one_side(); !read) return read;
      if (auto finished = finish_duplicates(); !finished) return finished;
    }
    if (auto finished = many_->finish(); !finished) return finished;
    return one_->finish();
  }

  Status produce(Row& row) override {
    if (index_ == 0) {
      if (auto read = read_one_side(); !read) return read;
    }
    const size_t index = index_++;
    if (auto paired = pair_up(plan_.pairings[index], row); !paired) return paired;
    if (index_ < plan_.pairings.size()) return {};
    if (auto finished = finish_duplicates(); !finished) return finished;
    return many_->finish();
  }

 private:
  /// Series without partners are passed over, unless they may be one of several with the same key.
  void find_partners() {
    const size_t keys = plan_.key_labels.size();
    const bool fills = binary_.matching->fill_left || binary_.matching->fill_right;
    std::vector<uint32_t> ones(keys, 0);
    std::vector<bool> many(keys, fills);
    for (const uint32_t key : plan_.many_keys) many[key] = true;
    for (const uint32_t key : plan_.one_keys) ++ones[key];
    wanted_ones_.resize(keys);
    wanted_many_.resize(keys);
    for (size_t key = 0; key < keys; ++key) {
      wanted_ones_[key] = many[key] || ones[key] > 1;
      wanted_many_[key] = fills || ones[key] > 0;
    }
  }

  bool may_have_duplicates() const {
    std::vector<bool> seen(plan_.key_labels.size());
    for (const uint32_t key : plan_.one_keys) {
      if (seen[key]) return true;
      seen[key] = true;
    }
    return false;
  }

  Status pair_up(const Pairing& pairing, Row& row) {
    if (pairing.many != Pairing::kFilled) {
      if (auto read = advance_to(pairing.many); !read) return read;
    } else if (many_->size() > 0) {
      if (auto read = advance_to(many_->size() - 1); !read) return read;
    }
    row.reset(steps_.count);
    if (pairing.many == Pairing::kFilled) return with_many_filled(pairing, row);
    if (pairing.ones.empty()) return with_one_filled(pairing, row);
    for (const uint32_t one : pairing.ones) {
      if (auto met = meet(pairing, row_of(one), row); !met) return met;
    }
    return {};
  }

  Status read_one_side() {
    const auto wanted = [this](uint32_t key) { return bool{wanted_ones_[key]}; };
    one_rows_.reserve(
        static_cast<size_t>(std::count_if(plan_.one_keys.begin(), plan_.one_keys.end(), wanted)));
    row_of_one_.assign(plan_.one_keys.size(), kNotRead);
    Row row;
    for (size_t j = 0; j < plan_.one_keys.size(); ++j) {
      const uint32_t key = plan_.one_keys[j];
      if (auto read = wanted(key) ? one_->next(row) : one_->skip(row); !read)
        return many_first(std::move(read));
      if (!wanted(key)) continue;
      row_of_one_[j] = static_cast<uint32_t>(one_rows_.size());
      const auto known = one_present_.of(key);
      for (size_t w = 0; w < duplicates_.size(); ++w) duplicates_[w] |= row.present[w] & known[w];
      one_present_.add(key, row.present);
      if (auto appended = one_rows_.append(row.view()); !appended) return appended;
    }
    const bool fills = binary_.matching->fill_left || binary_.matching->fill_right;
    return fills && any_present(duplicates_) ? duplicate_error(duplicates_) : Status();
  }

  /// The error of the many side rather than that of the one side if it stands on the left, where
  /// evaluation begins.
  Status many_first(Status one_failed) {
    if (binary_.matching->cardinality == Cardinality::OneToMany) return one_failed;
    auto finished = many_->finish();
    return finished ? std::move(one_failed) : std::move(finished);
  }

  /// Reads what is left of the many side, only for the sake of duplicates.
  Status finish_duplicates() {
    return any_present(duplicates_) && many_->size() > 0 ? advance_to(many_->size() - 1) : Status();
  }

  /// Duplicates on the one side are an error wherever the many side has any sample, matching or
  /// not; with a fill value wherever they are. Told is what the first of `steps` meets first.
  Error duplicate_error(std::span<const uint64_t> steps) const {
    size_t word = 0;
    while (steps[word] == 0) ++word;
    const size_t step = word * 64 + static_cast<size_t>(std::countr_zero(steps[word]));
    std::vector<uint32_t> first_of(plan_.key_labels.size(), Pairing::kFilled);
    for (uint32_t j = 0; j < plan_.one_keys.size(); ++j) {
      if (row_of_one_[j] == kNotRead || !row_of(j).has(step)) continue;
      uint32_t& first = first_of[plan_.one_keys[j]];
      if (first != Pairing::kFilled) return duplicate_error(first, j);
      first = j;
    }
    return {ErrorCode::Internal, "query plan: no duplicate where one was seen"};
  }

  Error duplicate_error(uint32_t one, uint32_t other) const {
    const uint32_t key = plan_.one_keys[one];
    const bool delayed = context_.features().delayed_name_removal;
    std::string first = in_braces(visible_labels(plan_.one_series[one], delayed));
    std::string second = in_braces(visible_labels(plan_.one_series[other], delayed));
    if (first > second) std::swap(first, second);
    const std::string_view side =
        binary_.matching->cardinality == Cardinality::OneToMany ? "left" : "right";
    return Error(
        ErrorCode::Execution,
        fmt::format(
            "found duplicate series for the match group {} on the {} hand-side of the operation: "
            "[{}, "
            "{}];many-to-many matching not allowed: matching labels must be unique on one side",
            in_braces(plan_.key_labels[key]), side, first, second));
  }

  /// The error of the first step with duplicates at which the many side, whose current series is
  /// one of them, has a sample.
  Status first_duplicate() {
    std::vector<uint64_t> met(duplicates_.size(), 0);
    for (;;) {
      for (size_t w = 0; w < met.size(); ++w) met[w] |= many_row_.present[w] & duplicates_[w];
      if (many_read_ + 1 >= many_->size()) return duplicate_error(met);
      ++many_read_;
      if (auto read = many_->next(many_row_); !read) return read;
    }
  }

  /// Makes `many_row_` the series `target` of the many side.
  Status advance_to(size_t target) {
    const bool all = any_present(duplicates_);
    while (many_read_ <= target) {
      if (!all && !wanted_many_[plan_.many_keys[many_read_]]) {
        if (auto passed = many_->skip(many_row_); !passed) return passed;
        ++many_read_;
        continue;
      }
      if (auto read = many_->next(many_row_); !read) return read;
      if (overlap(many_row_.present, duplicates_)) return first_duplicate();
      const uint32_t key = plan_.many_keys[many_read_++];
      auto matched = matched_.of(key);
      const auto one = one_present_.of(key);
      for (size_t w = 0; w < matched.size(); ++w)
        matched[w] |= many_row_.present[w] & (binary_.matching->fill_right ? ~uint64_t{0} : one[w]);
    }
    return {};
  }

  /// Adds the result of many side against `one` at the steps where both are present.
  Status meet(const Pairing& pairing, const RowView& one, Row& out) {
    scratch_ = many_row_;
    for (size_t w = 0; w < scratch_.present.size(); ++w) scratch_.present[w] &= one.present[w];
    return operate(pairing, one, out);
  }

  Status with_one_filled(const Pairing& pairing, Row& out) {
    scratch_ = many_row_;
    const auto one = one_present_.of(pairing.key);
    for (size_t w = 0; w < scratch_.present.size(); ++w) scratch_.present[w] &= ~one[w];
    const Row filled = constant_row(*binary_.matching->fill_right);
    return operate(pairing, filled.view(), out);
  }

  Status with_many_filled(const Pairing& pairing, Row& out) {
    const RowView one = row_of(pairing.ones.front());
    scratch_ = constant_row(*binary_.matching->fill_left);
    const auto matched = matched_.of(pairing.key);
    for (size_t w = 0; w < scratch_.present.size(); ++w)
      scratch_.present[w] &= one.present[w] & ~matched[w];
    return operate(pairing, one, out);
  }

  Row constant_row(double value) const {
    Row row;
    row.reset(steps_.count);
    std::fill(row.values.begin(), row.values.end(), value);
    mark_all_present(row.present, steps_.count);
    return row;
  }

  Status operate(const Pairing& pairing, const RowView& one, Row& out) {
    if (!any_present(scratch_.present)) return {};
    auto claimed = unique_.of(pairing.uniqueness);
    if (overlap(scratch_.present, claimed)) {
      return Error(ErrorCode::Execution,
                   binary_.matching->cardinality == Cardinality::OneToOne
                       ? "multiple matches for labels: many-to-one matching must be explicit "
                         "(group_left/group_right)"
                       : "multiple matches for labels: grouping labels must ensure unique matches");
    }
    unique_.add(pairing.uniqueness, scratch_.present);
    const bool swapped = binary_.matching->cardinality == Cardinality::OneToMany;
    // A comparison yields its left side, which is the one side when that stands on the left.
    RowOperation operation{binary_.op, Yield::Left, swapped};
    if (binary_.return_bool) operation.yield = Yield::Bool;
    combine_rows(operation, scratch_, one, notices_);
    if (!any_present(out.present)) {
      std::swap(out, scratch_);
    } else {
      for_each_present(scratch_.present,
                       [&](size_t step) { out.copy_sample(scratch_.view(), step); });
    }
    return {};
  }

  static constexpr uint32_t kNotRead = UINT32_MAX;
  RowView row_of(uint32_t one) const { return one_rows_.row(row_of_one_[one]); }

  const Binary& binary_;
  OperatorNotices notices_;
  const StreamPtr many_;
  const StreamPtr one_;
  const MatchPlan plan_;
  const Steps steps_;
  QueryContext& context_;
  std::vector<bool> wanted_ones_;     // by key
  std::vector<bool> wanted_many_;     // likewise
  Block one_rows_;                    // of the series of the one side that are wanted
  std::vector<uint32_t> row_of_one_;  // where; kNotRead: nowhere
  Bitmaps one_present_;               // by key
  Bitmaps matched_;  // by key: steps where some series of the many side found a partner
  std::vector<uint64_t> duplicates_;  // steps where the one side has a key twice
  Bitmaps unique_;                    // by uniqueness id: steps already taken
  size_t index_ = 0;
  size_t many_read_ = 0;
  Row many_row_;
  Row scratch_;
};

}  // namespace

Result<StreamPtr> match_vectors(const Binary& binary, PositionRange position, StreamPtr left,
                                StreamPtr right, const Steps& steps, QueryContext& context) {
  if (binary.matching->cardinality == Cardinality::OneToMany) std::swap(left, right);
  MatchPlanner planner(binary, context.features().delayed_name_removal);
  const std::vector<SeriesInfo> many = left->take_series();
  MatchPlan plan = planner.plan(many, right->take_series());
  auto stream = std::make_unique<MatchStream>(binary, position, std::move(left), std::move(right),
                                              std::move(plan), steps, context);
  if (auto checked = stream->check_unmatched(); !checked) return std::move(checked).error();
  return StreamPtr(std::move(stream));
}

}  // namespace aerie::query
