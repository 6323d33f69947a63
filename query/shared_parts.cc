#include "query/shared_parts.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <utility>

#include "query/explain.h"
#include "query/parser.h"
#include "query/planner.h"
#include "query/row.h"

namespace aerie::query {
namespace {

// Texts of all parts are written out to compare them: only where that is little work.
constexpr size_t kMaxParts = 300;

/// Shows everything of type instant vector below an expression, without parentheses, parents first.
class Parts {
 public:
  /// `enter` says whether what is below the part is to be shown as well.
  explicit Parts(std::function<bool(const Expr&)> enter) : enter_(std::move(enter)) {}
  void walk(const Expr& expr) {
    const Expr& inner = unwrap(expr);
    if (value_type(inner) == ValueType::Vector && !enter_(inner)) return;
    std::visit([this](const auto& node) { visit(node); }, inner.node);
  }

 private:
  void visit(const NumberLiteral&) {}
  void visit(const StringLiteral&) {}
  void visit(const VectorSelector&) {}
  void visit(const MatrixSelector&) {}
  void visit(const Subquery& node) { walk(*node.expr); }
  void visit(const Unary& node) { walk(*node.expr); }
  void visit(const Paren& node) { walk(*node.expr); }
  void visit(const Binary& node) {
    walk(*node.left);
    walk(*node.right);
  }
  void visit(const Aggregate& node) {
    if (node.parameter != nullptr) walk(*node.parameter);
    walk(*node.expr);
  }
  void visit(const Call& node) {
    for (const ExprPtr& argument : node.args) walk(*argument);
  }

  const std::function<bool(const Expr&)> enter_;
};

/// Equal for equal parts, and cheaper than their text.
uint64_t fingerprint(const Expr& expr) {
  struct Visitor {
    static uint64_t mixed(uint64_t hash, uint64_t more) {
      return (hash ^ more) * 0x9e3779b97f4a7c15 + (hash >> 29);
    }
    uint64_t operator()(const NumberLiteral& node) const {
      return std::bit_cast<uint64_t>(node.value);
    }
    uint64_t operator()(const StringLiteral& node) const { return node.value.size(); }
    uint64_t operator()(const VectorSelector& node) const {
      uint64_t hash = mixed(node.matchers.size(), static_cast<uint64_t>(node.offset));
      for (const model::Matcher& matcher : node.matchers)
        hash = mixed(hash, std::hash<std::string>()(matcher.value()));
      return hash;
    }
    uint64_t operator()(const MatrixSelector& node) const {
      return mixed(fingerprint(*node.selector), static_cast<uint64_t>(node.range));
    }
    uint64_t operator()(const Subquery& node) const {
      return mixed(fingerprint(*node.expr), static_cast<uint64_t>(node.range));
    }
    uint64_t operator()(const Unary& node) const { return mixed(fingerprint(*node.expr), 1); }
    uint64_t operator()(const Paren& node) const { return fingerprint(*node.expr); }
    uint64_t operator()(const Binary& node) const {
      return mixed(mixed(fingerprint(*node.left), fingerprint(*node.right)),
                   static_cast<uint64_t>(node.op));
    }
    uint64_t operator()(const Aggregate& node) const {
      return mixed(mixed(fingerprint(*node.expr), node.grouping.size()),
                   static_cast<uint64_t>(node.op));
    }
    uint64_t operator()(const Call& node) const {
      uint64_t hash = std::hash<std::string_view>()(node.function->name);
      for (const ExprPtr& argument : node.args) hash = mixed(hash, fingerprint(*argument));
      return hash;
    }
  };
  return Visitor::mixed(std::visit(Visitor(), expr.node), expr.node.index());
}

/// What selectors below carry and the printed form does not show.
void append_marks(std::string& out, const Expr& expr) {
  struct Visitor {
    std::string& out;
    void operator()(const NumberLiteral&) const {}
    void operator()(const StringLiteral&) const {}
    void operator()(const VectorSelector& node) const {
      out += node.histogram_counts_only ? '#' : '.';
    }
    void operator()(const MatrixSelector& node) const { append_marks(out, *node.selector); }
    void operator()(const Subquery& node) const { append_marks(out, *node.expr); }
    void operator()(const Unary& node) const { append_marks(out, *node.expr); }
    void operator()(const Paren& node) const { append_marks(out, *node.expr); }
    void operator()(const Binary& node) const {
      append_marks(out, *node.left);
      append_marks(out, *node.right);
    }
    void operator()(const Aggregate& node) const {
      if (node.parameter != nullptr) append_marks(out, *node.parameter);
      append_marks(out, *node.expr);
    }
    void operator()(const Call& node) const {
      for (const ExprPtr& argument : node.args) append_marks(out, *argument);
    }
  };
  std::visit(Visitor{out}, expr.node);
}

}  // namespace

/// The rows of a part, read when the first place asks.
class SharedParts::Kept {
 public:
  /// What was counted up to `before` is not the part's own: planning it may evaluate scalars.
  struct Before {
    uint64_t notices = 0;
    uint64_t queryable = 0;
  };
  Kept(StreamPtr input, const Expr& place, const Steps& steps, Before before, QueryContext& context)
      : place_(place),
        series_(input->series()),
        input_(std::move(input)),
        rows_(steps.count, context.budget()),
        context_(context),
        noticed_(context.annotations().noted() != before.notices),
        queryable_(context.queryable_samples() - before.queryable) {}

  const std::vector<SeriesInfo>& series() const { return series_; }
  /// Notices and counts while reading are those of this place.
  bool is_of(const Expr& place) const { return &place_ == &place; }
  bool is_read() const { return is_read_; }
  Status read() {
    is_read_ = true;
    const uint64_t notices = context_.annotations().noted();
    const uint64_t queryable = context_.queryable_samples();
    status_ = read_all();
    input_.reset();
    noticed_ = noticed_ || context_.annotations().noted() != notices;
    queryable_ += context_.queryable_samples() - queryable;
    return status_;
  }
  const Status& status() const { return status_; }
  RowView row(size_t index) const { return rows_.row(index); }
  /// Something was noticed, which each place says with its own position.
  bool noticed() const { return noticed_; }
  uint64_t queryable() const { return queryable_; }

 private:
  Status read_all() {
    rows_.reserve(series_.size());
    Row row;
    for (size_t i = 0; i < series_.size(); ++i) {
      if (auto next = input_->next(row); !next) return next;
      if (auto kept = rows_.append(row.view()); !kept) return kept;
    }
    return {};
  }

  const Expr& place_;
  const std::vector<SeriesInfo> series_;
  StreamPtr input_;
  Block rows_;
  QueryContext& context_;
  bool is_read_ = false;
  bool noticed_;
  uint64_t queryable_;
  Status status_;
};

class SharedParts::Reader final : public SeriesStream {
 public:
  Reader(std::shared_ptr<Kept> kept, const Expr& expr, const Steps& steps, Planner& planner)
      : SeriesStream(kept->series()),
        kept_(std::move(kept)),
        expr_(expr),
        steps_(steps),
        planner_(planner) {}

 private:
  Status produce(Row& row) override {
    if (index_ == 0) {
      if (auto begun = begin(); !begun) return begun;
    }
    row.assign(kept_->row(index_++));
    if (index_ == size()) kept_.reset();
    return {};
  }

  Status begin() {
    if (auto read = kept_->is_read() ? kept_->status() : kept_->read(); !read) return read;
    if (kept_->is_of(expr_)) return {};
    if (!kept_->noticed()) {
      planner_.context().count_queryable(kept_->queryable());
      return {};
    }
    if (planner_.context().recorder() != nullptr) return {};  // has no place for it in its tree
    auto again = planner_.vector_alone(expr_, steps_);
    if (!again) return std::move(again).error();
    return (*again)->finish();
  }

  std::shared_ptr<Kept> kept_;
  const Expr& expr_;
  const Steps steps_;
  Planner& planner_;
  size_t index_ = 0;
};

SharedParts::SharedParts(const Expr& root, QueryContext& context) : context_(context) {
  std::vector<const Expr*> all;
  Parts([&](const Expr& part) {
    all.push_back(&part);
    return all.size() <= kMaxParts;
  }).walk(root);
  if (all.size() < 2 || all.size() > kMaxParts) return;
  // Most queries end here: no text is written out where no two parts look alike.
  std::unordered_map<uint64_t, size_t> alike;
  for (const Expr* part : all) ++alike[fingerprint(*part)];
  if (alike.size() == all.size()) return;
  std::unordered_map<std::string, uint32_t> groups;
  std::unordered_map<const Expr*, uint32_t> group_of;
  for (const Expr* part : all) {
    std::string text = to_string(*part);
    append_marks(text, *part);
    const auto group =
        groups.try_emplace(std::move(text), static_cast<uint32_t>(groups.size())).first;
    group_of.emplace(part, group->second);
  }
  if (groups.size() == all.size()) return;
  // What stands only inside of what is evaluated once anyway is not kept by itself.
  std::vector<std::vector<const Expr*>> reached(groups.size());
  Parts([&](const Expr& part) {
    const uint32_t group = group_of.at(&part);
    reached[group].push_back(&part);
    return reached[group].size() == 1;
  }).walk(root);
  for (uint32_t group = 0; group < reached.size(); ++group) {
    sizes_.push_back(reached[group].size());
    if (reached[group].size() < 2) continue;
    for (const Expr* part : reached[group]) group_of_.emplace(part, group);
  }
}

Result<StreamPtr> SharedParts::stream(const Expr& expr, const Steps& steps, Planner& planner) {
  const uint32_t group = group_of_.at(&expr);
  const auto same = [&](const Place& place) {
    return place.group == group && place.steps.start == steps.start &&
           place.steps.step == steps.step && place.steps.count == steps.count &&
           place.counted_times == context_.counted_times();
  };
  const auto known = std::find_if(places_.begin(), places_.end(), same);
  if (known != places_.end()) {
    if (known->kept == nullptr) return planner.vector_alone(expr, steps);
    if (context_.recorder() != nullptr) context_.recorder()->mark_shared();
    std::shared_ptr<Kept> kept = known->kept;
    if (--known->left == 0) known->kept.reset();
    return StreamPtr(std::make_unique<Reader>(std::move(kept), expr, steps, planner));
  }
  const Kept::Before before{context_.annotations().noted(), context_.queryable_samples()};
  auto planned = planner.vector_alone(expr, steps);
  if (!planned) return planned;
  Place place{group, steps, context_.counted_times(), nullptr, sizes_[group] - 1};
  const size_t series = (*planned)->size();
  if (series == 0 || series > kMaxSamples / steps.count) {
    places_.push_back(std::move(place));
    return planned;
  }
  auto kept = std::make_shared<Kept>(std::move(planned).value(), expr, steps, before, context_);
  place.kept = kept;
  places_.push_back(std::move(place));
  return StreamPtr(std::make_unique<Reader>(std::move(kept), expr, steps, planner));
}

}  // namespace aerie::query
