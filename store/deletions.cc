#include "store/deletions.h"

#include <algorithm>
#include <utility>

#include "store/byte_io.h"
#include "store/checksum.h"

namespace aerie::store {
namespace {

constexpr uint8_t kVersion = 0;
constexpr uint64_t kSeed = 0;
constexpr char kLastKey[] = "l";
constexpr char kRowPrefix = 'd';

Error damaged() { return Error(ErrorCode::Corruption, "a row of deletions is damaged"); }

}  // namespace

std::string deletion_key(uint64_t number) {
  std::string key(1, kRowPrefix);
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(number >> shift));
  return key;
}

std::string encode_deletion(const Erasure& deletion) {
  std::string out;
  put_u8(out, kVersion);
  put_varint(out, deletion.number);
  put_varint(out, deletion.log_end);
  put_zigzag(out, deletion.range.first);
  put_zigzag(out, deletion.range.last);
  put_varint(out, deletion.selectors.size());
  for (const model::Matchers& selector : deletion.selectors) {
    put_varint(out, selector.size());
    for (const model::Matcher& matcher : selector) {
      put_u8(out, static_cast<uint8_t>(matcher.type()));
      put_bytes(out, matcher.name());
      put_bytes(out, matcher.value());
    }
  }
  append_checksum(out, kSeed);
  return out;
}

Result<Erasure> decode_deletion(std::string_view bytes) {
  auto content = without_checksum(bytes, kSeed);
  if (!content) return std::move(content).error().with("deletion");
  ByteReader in(*content);
  if (in.u8() != kVersion) return damaged();
  Erasure out;
  out.number = in.varint();
  out.log_end = in.varint();
  out.range.first = in.zigzag();
  out.range.last = in.zigzag();
  const uint64_t selectors = in.varint();
  for (uint64_t i = 0; i < selectors && !in.failed(); ++i) {
    model::Matchers selector;
    const uint64_t matchers = in.varint();
    for (uint64_t k = 0; k < matchers && !in.failed(); ++k) {
      const uint8_t type = in.u8();
      std::string name(in.sized_bytes());
      std::string value(in.sized_bytes());
      if (in.failed() || type > static_cast<uint8_t>(model::MatchType::NotRegex)) return damaged();
      auto matcher = model::Matcher::make(static_cast<model::MatchType>(type), std::move(name),
                                          std::move(value));
      if (!matcher) return damaged();
      selector.push_back(std::move(*matcher));
    }
    out.selectors.push_back(std::move(selector));
  }
  if (in.failed() || !in.at_end()) return damaged();
  return out;
}

Result<std::unique_ptr<Deletions>> Deletions::open(std::shared_ptr<KeyedTable> table,
                                                   uint64_t given_away) {
  std::unique_ptr<Deletions> out(new Deletions(table));  // NOLINT: private constructor
  auto last = table->get(kLastKey);
  if (!last) return std::move(last).error();
  if (last->has_value()) {
    ByteReader in(**last);
    given_away = std::max(given_away, in.varint());
    if (in.failed()) return damaged();
  }
  auto rows = table->scan(std::string(1, kRowPrefix));
  if (!rows) return std::move(rows).error();
  std::vector<Erasure> all;
  for (const auto& [key, value] : *rows) {
    auto deletion = decode_deletion(value);
    if (!deletion) return std::move(deletion).error();
    if (deletion_key(deletion->number) != key) return damaged();
    given_away = std::max(given_away, deletion->number);
    all.push_back(std::move(*deletion));
  }
  out->last_number_.with([&](uint64_t& number) { number = given_away; });
  out->current_.with([&](auto& current) { current = std::make_shared<const Erasures>(all); });
  return out;
}

uint64_t Deletions::take_number() {
  return last_number_.with([](uint64_t& number) { return ++number; });
}

Status Deletions::add(const Erasure& deletion) {
  std::string last;
  put_varint(last, deletion.number);
  if (Status written = table_->apply(
          {{deletion_key(deletion.number), encode_deletion(deletion)}, {kLastKey, last}}, {});
      !written)
    return std::move(written).error().with("write deletion");
  std::vector<Erasure> all = current()->all();
  all.push_back(deletion);
  current_.with([&](auto& current) { current = std::make_shared<const Erasures>(std::move(all)); });
  return {};
}

Status Deletions::forget(uint64_t number) {
  if (Status removed = table_->apply({}, {deletion_key(number)}); !removed) return removed;
  std::vector<Erasure> all = current()->all();
  std::erase_if(all, [&](const Erasure& one) { return one.number == number; });
  current_.with([&](auto& current) { current = std::make_shared<const Erasures>(std::move(all)); });
  return {};
}

Status Deletions::limit_positions(LogPosition end) {
  std::vector<Erasure> all = current()->all();
  std::vector<std::pair<std::string, std::string>> rows;
  for (Erasure& one : all) {
    if (one.log_end <= end) continue;
    one.log_end = end;
    rows.emplace_back(deletion_key(one.number), encode_deletion(one));
  }
  if (rows.empty()) return {};
  if (Status written = table_->apply(rows, {}); !written) return written;
  current_.with([&](auto& current) { current = std::make_shared<const Erasures>(std::move(all)); });
  return {};
}

}  // namespace aerie::store
