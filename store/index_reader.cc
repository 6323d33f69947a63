#include "store/index_reader.h"

#include <algorithm>

#include <fmt/core.h>

#include "store/byte_io.h"

namespace aerie::store {
namespace {

constexpr uint8_t kVersion = 0;

Error corrupt(std::string message) {
  return Error(ErrorCode::Corruption, "index: " + std::move(message));
}

/// Decodes one postings list into the set.
bool add_list(std::string_view list, SeriesSet& out) {
  ByteReader in(list);
  uint64_t next = 0;
  while (!in.at_end()) {
    const uint64_t gap = in.varint();
    const uint64_t length = (gap & 1) != 0 ? in.varint() + 2 : 1;
    next += gap >> 1;
    if (in.failed() || next >= out.size() || length > out.size() - next) return false;
    out.add_run(static_cast<uint32_t>(next), static_cast<uint32_t>(next + length));
    next += length;
  }
  return true;
}

bool list_meets(std::string_view list, const SeriesSet& set, bool& meets) {
  ByteReader in(list);
  uint64_t next = 0;
  meets = false;
  while (!in.at_end() && !meets) {
    const uint64_t gap = in.varint();
    const uint64_t length = (gap & 1) != 0 ? in.varint() + 2 : 1;
    next += gap >> 1;
    if (in.failed() || next >= set.size() || length > set.size() - next) return false;
    meets = set.meets(static_cast<uint32_t>(next), static_cast<uint32_t>(next + length));
    next += length;
  }
  return true;
}

/// The lists of one postings block.
Result<std::vector<std::string_view>> split_postings(std::string_view record) {
  ByteReader in(record);
  const uint64_t count = in.varint();
  if (count > kValuesPerBlock) return corrupt("bad postings block");
  std::vector<uint64_t> sizes(count);
  for (uint64_t& size : sizes) size = in.varint();
  std::vector<std::string_view> lists;
  for (const uint64_t size : sizes) lists.push_back(in.bytes(size));
  if (in.failed() || !in.at_end()) return corrupt("bad postings block");
  return lists;
}

}  // namespace

/// Up to 256 series as references to names and values.
struct IndexReader::SeriesBlock {
  std::vector<std::vector<uint32_t>> shapes;
  std::vector<uint32_t> shape_of;
  std::vector<uint32_t> start_of;  // in values
  std::vector<uint32_t> values;
};

Result<std::shared_ptr<const IndexReader>> IndexReader::open(Get get) {
  Result<std::string> record = get(IndexRecord::Names, 0, 0);
  if (!record) return std::move(record).error();
  ByteReader in(*record);
  if (const uint8_t version = in.u8(); version != kVersion)
    return corrupt(fmt::format("unknown version {}", version));
  auto reader = std::make_shared<IndexReader>();
  reader->get_ = std::move(get);
  const uint64_t names = in.varint();
  for (uint64_t i = 0; i < names && !in.failed(); ++i) {
    Name name;
    name.text = in.sized_bytes();
    const uint64_t values = in.varint();
    if (values > UINT32_MAX) in.fail();
    name.values = static_cast<uint32_t>(values);
    if (!reader->names_.empty() && name.text <= reader->names_.back().text) in.fail();
    reader->names_.push_back(std::move(name));
  }
  const uint64_t groups = in.varint();
  uint64_t series = 0;
  for (uint64_t i = 0; i < groups && !in.failed(); ++i) {
    series += in.varint();
    if (series > UINT32_MAX - 64) in.fail();
    reader->group_ends_.push_back(static_cast<uint32_t>(series));
  }
  if (in.failed() || !in.at_end()) return corrupt("damaged names record");
  reader->series_count_ = static_cast<uint32_t>(series);
  return std::shared_ptr<const IndexReader>(std::move(reader));
}

uint32_t IndexReader::group_of(uint32_t series) const {
  return static_cast<uint32_t>(std::upper_bound(group_ends_.begin(), group_ends_.end(), series) -
                               group_ends_.begin());
}

std::optional<uint32_t> IndexReader::find_name(std::string_view name) const {
  const auto at = std::lower_bound(names_.begin(), names_.end(), name,
                                   [](const Name& a, std::string_view b) { return a.text < b; });
  if (at == names_.end() || at->text != name) return std::nullopt;
  return static_cast<uint32_t>(at - names_.begin());
}

Result<IndexReader::Values> IndexReader::values(uint32_t name, uint32_t block) const {
  Result<std::string> record = get_(IndexRecord::Values, name, block);
  if (!record) return std::move(record).error();
  ByteReader in(*record);
  const uint64_t count = in.varint();
  const uint64_t first = uint64_t{block} * kValuesPerBlock;
  if (first >= names_[name].values ||
      count != std::min<uint64_t>(kValuesPerBlock, names_[name].values - first))
    return corrupt("bad values block");
  Values out;
  out.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t shared = in.varint();
    const std::string_view rest = in.sized_bytes();
    if (in.failed() || shared > (out.empty() ? 0 : out.back().size()))
      return corrupt("bad values block");
    std::string value(out.empty() ? std::string_view()
                                  : std::string_view(out.back()).substr(0, shared));
    value += rest;
    out.push_back(std::move(value));
  }
  if (!in.at_end()) return corrupt("bad values block");
  return out;
}

Result<std::pair<uint32_t, bool>> IndexReader::lower_bound(uint32_t name,
                                                           std::string_view value) const {
  // The last block whose first value is not above `value` is the one to look into.
  uint32_t low = 0;
  uint32_t high = (names_[name].values + kValuesPerBlock - 1) / kValuesPerBlock;
  if (high == 0) return std::pair<uint32_t, bool>{0, false};
  Values kept;
  uint32_t kept_block = UINT32_MAX;
  while (high - low > 1) {
    const uint32_t middle = low + (high - low) / 2;
    Result<Values> block = values(name, middle);
    if (!block) return std::move(block).error();
    if (block->front() <= value) {
      low = middle;
      kept = std::move(*block);
      kept_block = middle;
    } else {
      high = middle;
    }
  }
  if (kept_block != low) {
    Result<Values> block = values(name, low);
    if (!block) return std::move(block).error();
    kept = std::move(*block);
  }
  const auto at = std::lower_bound(kept.begin(), kept.end(), value);
  const auto place = low * kValuesPerBlock + static_cast<uint32_t>(at - kept.begin());
  return std::pair<uint32_t, bool>{place, at != kept.end() && *at == value};
}

Status IndexReader::matching_values(uint32_t name, const model::Matcher& matcher, bool inverted,
                                    std::vector<uint32_t>& out) const {
  using model::MatchType;
  const MatchType type = matcher.type();
  const auto add_literal = [&](std::string_view value) -> Status {
    if (value.empty()) return {};
    auto found = lower_bound(name, value);
    if (!found) return std::move(found).error();
    if (found->second) out.push_back(found->first);
    return {};
  };
  const bool wants_equal = inverted ? type == MatchType::NotEqual : type == MatchType::Equal;
  if (wants_equal) return add_literal(matcher.value());
  if (!inverted && type == MatchType::Regex && !matcher.literal_set().empty()) {
    for (const std::string& literal : matcher.literal_set())
      if (Status status = add_literal(literal); !status) return status;
    return {};
  }
  uint32_t place = 0;
  std::string_view prefix;
  if (!inverted && type == MatchType::Regex && !matcher.prefix().empty()) {
    prefix = matcher.prefix();
    auto found = lower_bound(name, prefix);
    if (!found) return std::move(found).error();
    place = found->first;
  }
  while (place < names_[name].values) {
    Result<Values> block = values(name, place / kValuesPerBlock);
    if (!block) return std::move(block).error();
    for (size_t i = place % kValuesPerBlock; i < block->size(); ++i, ++place) {
      const std::string& value = (*block)[i];
      if (!value.starts_with(prefix)) {
        if (value > prefix) return {};
        continue;
      }
      if (matcher.matches(value) != inverted) out.push_back(place);
    }
  }
  return {};
}

Status IndexReader::add_postings(uint32_t name, const std::vector<uint32_t>& values,
                                 SeriesSet& out) const {
  std::string record;
  std::vector<std::string_view> lists;
  uint32_t loaded = UINT32_MAX;
  for (const uint32_t value : values) {
    const uint32_t block = value / kValuesPerBlock;
    if (block != loaded) {
      Result<std::string> got = get_(IndexRecord::Postings, name, block);
      if (!got) return std::move(got).error();
      record = std::move(*got);
      auto split = split_postings(record);
      if (!split) return std::move(split).error();
      lists = std::move(*split);
      loaded = block;
    }
    if (value % kValuesPerBlock >= lists.size() || !add_list(lists[value % kValuesPerBlock], out))
      return corrupt("damaged postings");
  }
  return {};
}

Result<SeriesSet> IndexReader::match_one(const model::Matcher& matcher) const {
  const bool takes_absent = matcher.matches_empty();
  const std::optional<uint32_t> name = find_name(matcher.name());
  const bool takes_all = matcher.type() == model::MatchType::Regex && matcher.value() == ".*";
  if (!name || takes_all)
    return takes_absent ? SeriesSet::all(series_count_) : SeriesSet(series_count_);
  // A condition that an absent label meets is cheaper the other way round: all series but those
  // with a wrong value.
  std::vector<uint32_t> values;
  if (Status status = matching_values(*name, matcher, takes_absent, values); !status)
    return std::move(status).error();
  SeriesSet found(series_count_);
  if (Status status = add_postings(*name, values, found); !status) return std::move(status).error();
  if (!takes_absent) return found;
  SeriesSet rest = SeriesSet::all(series_count_);
  rest.subtract(found);
  return rest;
}

Result<SeriesSet> IndexReader::match(const model::Matchers& matchers) const {
  SeriesSet out = SeriesSet::all(series_count_);
  // Equalities first: they are cheap and often leave nothing.
  for (const bool equalities : {true, false})
    for (const model::Matcher& matcher : matchers) {
      if ((matcher.type() == model::MatchType::Equal) != equalities) continue;
      Result<SeriesSet> one = match_one(matcher);
      if (!one) return std::move(one).error();
      out.intersect(*one);
      if (out.empty()) return out;
    }
  return out;
}

Result<IndexReader::SeriesBlock> IndexReader::series_block(uint32_t number) const {
  Result<std::string> record = get_(IndexRecord::Series, 0, number);
  if (!record) return std::move(record).error();
  ByteReader in(*record);
  SeriesBlock block;
  const uint64_t count = in.varint();
  const uint64_t first = uint64_t{number} * kSeriesPerBlock;
  if (first >= series_count_ || count != std::min<uint64_t>(kSeriesPerBlock, series_count_ - first))
    return corrupt("bad series block");
  const uint64_t shapes = in.varint();
  if (shapes > count) return corrupt("bad series block");
  for (uint64_t i = 0; i < shapes; ++i) {
    const uint64_t labels = in.varint();
    if (labels > names_.size()) return corrupt("bad series block");
    std::vector<uint32_t> shape;
    uint64_t name = 0;
    for (uint64_t k = 0; k < labels; ++k) {
      const uint64_t step = in.varint();
      name += step;
      if (name >= names_.size() || (k > 0 && step == 0)) return corrupt("bad series block");
      shape.push_back(static_cast<uint32_t>(name));
    }
    block.shapes.push_back(std::move(shape));
  }
  while (block.shape_of.size() < count && !in.failed()) {
    const uint64_t shape = in.varint();
    const uint64_t length = in.varint();
    if (shape >= shapes || length == 0 || length > count - block.shape_of.size())
      return corrupt("bad series block");
    const size_t width = block.shapes[shape].size();
    const size_t start = block.values.size();
    for (uint64_t i = 0; i < length; ++i) {
      block.shape_of.push_back(static_cast<uint32_t>(shape));
      block.start_of.push_back(static_cast<uint32_t>(start + i * width));
    }
    block.values.resize(start + length * width);
    for (size_t column = 0; column < width; ++column) {
      int64_t value = 0;
      const int64_t limit = names_[block.shapes[shape][column]].values;
      for (uint64_t i = 0; i < length; ++i) {
        const int64_t step = in.zigzag();
        if (step > limit || step < -limit) return corrupt("bad series block");
        value += step;
        if (value < 0 || value >= limit) return corrupt("bad series block");
        block.values[start + i * width + column] = static_cast<uint32_t>(value);
      }
    }
  }
  if (in.failed() || !in.at_end()) return corrupt("bad series block");
  return block;
}

Status IndexReader::labels(const SeriesSet& set,
                           const std::function<void(uint32_t, std::string_view)>& found) const {
  // Values are kept with their length in front, as Labels stores them.
  std::vector<std::vector<Values>> cache(names_.size());
  std::vector<std::string> encoded_names(names_.size());
  for (size_t i = 0; i < names_.size(); ++i) put_bytes(encoded_names[i], names_[i].text);
  std::string encoded;
  uint32_t id = set.next(0);
  while (id < set.size()) {
    const uint32_t number = id / kSeriesPerBlock;
    Result<SeriesBlock> block = series_block(number);
    if (!block) return std::move(block).error();
    for (; id < set.size() && id / kSeriesPerBlock == number; id = set.next(id + 1)) {
      const uint32_t row = id % kSeriesPerBlock;
      const std::vector<uint32_t>& shape = block->shapes[block->shape_of[row]];
      encoded.clear();
      for (size_t i = 0; i < shape.size(); ++i) {
        const uint32_t name = shape[i];
        const uint32_t value = block->values[block->start_of[row] + i];
        std::vector<Values>& blocks = cache[name];
        if (blocks.empty()) blocks.resize(names_[name].values / kValuesPerBlock + 1);
        Values& known = blocks[value / kValuesPerBlock];
        if (known.empty()) {
          Result<Values> got = values(name, value / kValuesPerBlock);
          if (!got) return std::move(got).error();
          known.resize(got->size());
          for (size_t k = 0; k < got->size(); ++k) put_bytes(known[k], (*got)[k]);
        }
        encoded += encoded_names[name];
        encoded += known[value % kValuesPerBlock];
      }
      found(id, encoded);
    }
  }
  return {};
}

Result<std::vector<std::string>> IndexReader::label_names(const SeriesSet* set) const {
  std::vector<bool> used(names_.size(), set == nullptr);
  for (uint32_t id = set == nullptr ? UINT32_MAX : set->next(0);
       set != nullptr && id < set->size();) {
    const uint32_t number = id / kSeriesPerBlock;
    Result<SeriesBlock> block = series_block(number);
    if (!block) return std::move(block).error();
    for (; id < set->size() && id / kSeriesPerBlock == number; id = set->next(id + 1))
      for (const uint32_t name : block->shapes[block->shape_of[id % kSeriesPerBlock]])
        used[name] = true;
  }
  std::vector<std::string> out;
  for (size_t i = 0; i < names_.size(); ++i)
    if (used[i]) out.push_back(names_[i].text);
  return out;
}

Result<std::vector<std::string>> IndexReader::label_values(std::string_view name,
                                                           const SeriesSet* set) const {
  std::vector<std::string> out;
  const std::optional<uint32_t> number = find_name(name);
  if (!number || (set != nullptr && set->empty())) return out;
  for (uint32_t block = 0; uint64_t{block} * kValuesPerBlock < names_[*number].values; ++block) {
    Result<Values> values_here = values(*number, block);
    if (!values_here) return std::move(values_here).error();
    if (set == nullptr) {
      std::move(values_here->begin(), values_here->end(), std::back_inserter(out));
      continue;
    }
    Result<std::string> record = get_(IndexRecord::Postings, *number, block);
    if (!record) return std::move(record).error();
    auto lists = split_postings(*record);
    if (!lists) return std::move(lists).error();
    if (lists->size() != values_here->size()) return corrupt("damaged postings");
    for (size_t i = 0; i < lists->size(); ++i) {
      bool meets = false;
      if (!list_meets((*lists)[i], *set, meets)) return corrupt("damaged postings");
      if (meets) out.push_back(std::move((*values_here)[i]));
    }
  }
  return out;
}

}  // namespace aerie::store
