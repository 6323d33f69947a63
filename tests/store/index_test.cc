#include "store/index_reader.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "store/partition_set.h"
#include "tests/store/support/columns.h"
#include "tests/store/support/partitions.h"

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;
using model::Labels;
using model::Matcher;
using model::MatchType;

namespace {

/// An index in memory: what PartitionBuilder puts into RocksDB.
class MemoryIndex {
 public:
  using Key = std::tuple<IndexRecord, uint32_t, uint32_t>;

  explicit MemoryIndex(std::vector<Labels> labels) : labels_(std::move(labels)) {
    std::sort(labels_.begin(), labels_.end(), SealOrder{});
    IndexWriter writer;
    for (const Labels& one : labels_) writer.add(one);
    const std::vector<uint32_t> groups(1, static_cast<uint32_t>(labels_.size()));
    must(writer.finish(
        groups, [&](IndexRecord kind, uint32_t name, uint32_t block, std::string value) -> Status {
          AERIE_CHECK(records_.empty() || Key(kind, name, block) > records_.rbegin()->first,
                      "keys ascend");
          records_[{kind, name, block}] = std::move(value);
          return {};
        }));
  }

  std::shared_ptr<const IndexReader> open() const {
    return must(IndexReader::open(
        [this](IndexRecord kind, uint32_t name, uint32_t block) -> Result<std::string> {
          const auto at = records_.find({kind, name, block});
          if (at == records_.end()) return Error(ErrorCode::Corruption, "record is missing");
          return at->second;
        }));
  }

  const std::vector<Labels>& labels() const { return labels_; }
  std::map<Key, std::string>& records() { return records_; }

 private:
  std::vector<Labels> labels_;
  std::map<Key, std::string> records_;
};

std::vector<uint32_t> members(const SeriesSet& set) {
  std::vector<uint32_t> out;
  for (uint32_t id = set.next(0); id < set.size(); id = set.next(id + 1)) out.push_back(id);
  return out;
}

std::vector<Labels> fleet(size_t pods) {
  std::vector<Labels> out;
  for (size_t i = 0; i < pods; ++i) {
    const std::string pod = "pod-" + std::to_string(i * 7919 % 100'000);
    const std::string cluster = "c" + std::to_string(i % 5);
    out.push_back(Labels{{"__name__", "up"}, {"cluster", cluster}, {"pod", pod}});
    out.push_back(
        Labels{{"__name__", "restarts_total"}, {"cluster", cluster}, {"pod", pod}, {"zone", "z"}});
    if (i % 3 == 0) out.push_back(Labels{{"__name__", "extra"}, {"pod", pod}});
  }
  return out;
}

}  // namespace

TEST_CASE("an index has the bytes that docs/formats/index.md describes") {
  MemoryIndex index({Labels{{"__name__", "a"}, {"x", "1"}}, Labels{{"__name__", "a"}, {"x", "10"}},
                     Labels{{"__name__", "b"}}});
  auto& records = index.records();
  CHECK(hex(records[{IndexRecord::Names, 0, 0}]) ==
        "00 02 08 5f 5f 6e 61 6d 65 5f 5f 02 01 78 02 01 03");
  CHECK(hex(records[{IndexRecord::Values, 0, 0}]) == "02 00 01 61 00 01 62");
  CHECK(hex(records[{IndexRecord::Values, 1, 0}]) == "02 00 01 31 01 01 30");
  CHECK(hex(records[{IndexRecord::Postings, 0, 0}]) == "02 02 01 01 00 04");
  CHECK(hex(records[{IndexRecord::Postings, 1, 0}]) == "02 01 01 00 02");
  CHECK(hex(records[{IndexRecord::Series, 0, 0}]) ==
        "03 02 02 00 01 01 00 00 02 00 00 00 02 01 01 02");
  CHECK(records.size() == 6);
}

TEST_CASE("postings are runs with gaps") {
  // The series 3, 5, 6, 7, 9 of the format page.
  std::vector<Labels> labels;
  for (int i = 0; i < 10; ++i) {
    const bool chosen = i == 3 || i == 5 || i == 6 || i == 7 || i == 9;
    labels.push_back(Labels{{"__name__", "m" + std::to_string(i)}, {"k", chosen ? "v" : ""}});
  }
  MemoryIndex index(labels);
  CHECK(hex(index.records()[{IndexRecord::Postings, 1, 0}]) == "01 04 06 03 01 02");
  CHECK(members(must(index.open()->match({Matcher::equal("k", "v")}))) ==
        std::vector<uint32_t>{3, 5, 6, 7, 9});
}

TEST_CASE("series come in seal order: metric, cluster, labels, le as a number") {
  std::vector<Labels> sorted = {
      Labels{{"__name__", "a"}, {"zone", "z"}},
      Labels{{"__name__", "b_bucket"}, {"cluster", "c1"}, {"instance", "z"}, {"le", "0.5"}},
      Labels{{"__name__", "b_bucket"}, {"cluster", "c1"}, {"instance", "z"}, {"le", "2"}},
      Labels{{"__name__", "b_bucket"}, {"cluster", "c1"}, {"instance", "z"}, {"le", "2.0"}},
      Labels{{"__name__", "b_bucket"}, {"cluster", "c1"}, {"instance", "z"}, {"le", "1e1"}},
      Labels{{"__name__", "b_bucket"}, {"cluster", "c1"}, {"instance", "z"}, {"le", "+Inf"}},
      Labels{{"__name__", "b_bucket"}, {"cluster", "c1"}, {"instance", "z"}, {"le", "high"}},
      Labels{{"__name__", "b_bucket"}, {"cluster", "c2"}, {"a", "a"}, {"le", "1"}},
  };
  std::vector<Labels> shuffled(sorted.rbegin(), sorted.rend());
  std::sort(shuffled.begin(), shuffled.end(), SealOrder{});
  CHECK(shuffled == sorted);
  CHECK_FALSE(SealOrder{}(sorted[0], sorted[0]));
}

TEST_CASE("matching agrees with asking every series") {
  const MemoryIndex index(fleet(400));
  const auto reader = index.open();
  CHECK(reader->series_count() == index.labels().size());
  const auto make = [](MatchType type, std::string name, std::string value) {
    return must(Matcher::make(type, std::move(name), std::move(value)));
  };
  const std::vector<model::Matchers> questions = {
      {},
      {make(MatchType::Equal, "__name__", "up")},
      {make(MatchType::Equal, "__name__", "nothing")},
      {make(MatchType::Equal, "absent", "x")},
      {make(MatchType::Equal, "absent", "")},
      {make(MatchType::NotEqual, "absent", "x")},
      {make(MatchType::NotEqual, "absent", "")},
      {make(MatchType::Equal, "zone", "")},
      {make(MatchType::NotEqual, "zone", "")},
      {make(MatchType::NotEqual, "zone", "z")},
      {make(MatchType::Regex, "pod", "pod-1.*")},
      {make(MatchType::Regex, "pod", ".*9")},
      {make(MatchType::Regex, "pod", ".*")},
      {make(MatchType::Regex, "pod", ".+")},
      {make(MatchType::Regex, "zone", "z|")},
      {make(MatchType::Regex, "zone", "")},
      {make(MatchType::NotRegex, "zone", "")},
      {make(MatchType::NotRegex, "zone", "z.*")},
      {make(MatchType::NotRegex, "zone", ".+")},
      {make(MatchType::Regex, "cluster", "c1|c3|c9")},
      {make(MatchType::NotRegex, "cluster", "c1|c3")},
      {make(MatchType::Regex, "cluster", "(?i)C[24]")},
      {make(MatchType::Equal, "__name__", "up"), make(MatchType::NotEqual, "cluster", "c2"),
       make(MatchType::Regex, "pod", "pod-.*7")},
  };
  for (const model::Matchers& matchers : questions) {
    std::string text;
    for (const Matcher& matcher : matchers) text += matcher.to_string() + " ";
    INFO(text);
    std::vector<uint32_t> expected;
    std::set<std::string> names;
    std::set<std::string> pods;
    for (uint32_t i = 0; i < index.labels().size(); ++i) {
      if (!matches_all(matchers, index.labels()[i])) continue;
      expected.push_back(i);
      for (const model::LabelView label : index.labels()[i]) names.emplace(label.name);
      if (index.labels()[i].has("pod")) pods.emplace(index.labels()[i].get("pod"));
    }
    const SeriesSet set = must(reader->match(matchers));
    CHECK(members(set) == expected);
    CHECK(set.count() == expected.size());
    CHECK(must(reader->label_names(&set)) == std::vector<std::string>(names.begin(), names.end()));
    CHECK(must(reader->label_values("pod", &set)) ==
          std::vector<std::string>(pods.begin(), pods.end()));
    bool same = true;
    must(reader->labels(set, [&](uint32_t id, std::string_view encoded) {
      same = same && encoded == index.labels()[id].encoded();
    }));
    CHECK(same);
  }
  CHECK(must(reader->label_names(nullptr)) ==
        std::vector<std::string>{"__name__", "cluster", "pod", "zone"});
  CHECK(must(reader->label_values("cluster", nullptr)) ==
        std::vector<std::string>{"c0", "c1", "c2", "c3", "c4"});
  CHECK(must(reader->label_values("absent", nullptr)).empty());
}

TEST_CASE("a damaged index answers with an error or with something, but never crashes") {
  const uint64_t seed = test_seed();
  INFO("AERIE_SEED=" << seed);
  Random random(seed);
  const MemoryIndex whole(fleet(200));
  for (int round = 0; round < 400; ++round) {
    MemoryIndex index = whole;
    auto at = index.records().begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random() % index.records().size()));
    std::string& record = at->second;
    if (random() % 4 == 0) {
      record.resize(random() % record.size());
    } else {
      for (uint64_t i = 1 + random() % 3; i > 0; --i)
        record[random() % record.size()] ^= static_cast<char>(random());
    }
    auto reader = IndexReader::open(
        [&](IndexRecord kind, uint32_t name, uint32_t block) -> Result<std::string> {
          const auto found = index.records().find({kind, name, block});
          if (found == index.records().end())
            return Error(ErrorCode::Corruption, "record is missing");
          return found->second;
        });
    if (!reader) continue;
    auto set = (*reader)->match({must(Matcher::make(MatchType::Regex, "pod", "pod-.*1"))});
    if (!set) continue;
    (*reader)->labels(*set, [](uint32_t, std::string_view) {}).ignore("only survival is asked for");
    (*reader)->label_names(&*set).ignore("only survival is asked for");
    (*reader)->label_values("pod", &*set).ignore("only survival is asked for");
  }
}
