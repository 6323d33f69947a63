#include "query/text_score.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace aerie::query {
namespace {

/// Only the whole text scores 1.
constexpr double kBestOfParts = 0.999;

/// The score of a match that begins at `start`; negative if it cannot be completed.
double score_from(std::string_view typed, std::string_view text, size_t start) {
  const auto length = static_cast<double>(text.size());
  double score = 0;
  size_t next = 0;  // in typed
  size_t end = 0;   // behind the previous run
  size_t at = start;
  while (next < typed.size()) {
    at = text.find(typed[next], at);
    if (at == std::string_view::npos) return -1;
    const size_t begin = at;
    while (next < typed.size() && at < text.size() && text[at] == typed[next]) {
      ++at;
      ++next;
    }
    const auto run = static_cast<double>(at - begin);
    score += run * run - static_cast<double>(begin - end) / length;
    end = at;
  }
  return std::max(0.0, score - static_cast<double>(text.size() - end) / length / 2);
}

size_t common_prefix(std::string_view a, std::string_view b, size_t limit) {
  size_t length = 0;
  while (length < limit && length < a.size() && length < b.size() && a[length] == b[length])
    ++length;
  return length;
}

double jaro_score(std::string_view a, std::string_view b) {
  const size_t longer = std::max(a.size(), b.size());
  const size_t window = longer / 2 > 0 ? longer / 2 - 1 : 0;
  std::vector<bool> taken(b.size(), false);
  std::vector<char> matched;
  for (size_t i = 0; i < a.size(); ++i) {
    const size_t first = i > window ? i - window : 0;
    const size_t last = std::min(b.size(), i + window + 1);
    for (size_t j = first; j < last; ++j) {
      if (taken[j] || a[i] != b[j]) continue;
      taken[j] = true;
      matched.push_back(a[i]);
      break;
    }
  }
  if (matched.empty()) return 0;
  size_t moved = 0;
  size_t next = 0;
  for (size_t j = 0; j < b.size(); ++j)
    if (taken[j] && matched[next++] != b[j]) ++moved;
  const auto matches = static_cast<double>(matched.size());
  return (matches / static_cast<double>(a.size()) + matches / static_cast<double>(b.size()) +
          (matches - static_cast<double>(moved / 2)) / matches) /
         3;
}

}  // namespace

double subsequence_score(std::string_view typed, std::string_view text) {
  if (typed.empty() || text.starts_with(typed)) return 1;
  if (typed.size() > text.size()) return 0;
  double best = 0;
  for (size_t start = text.find(typed[0]); start != std::string_view::npos;
       start = text.find(typed[0], start + 1)) {
    const double score = score_from(typed, text, start);
    if (score < 0) break;  // a later start cannot be completed either
    best = std::max(best, score);
  }
  const auto length = static_cast<double>(typed.size());
  return std::min(1.0, best / (length * length)) * kBestOfParts;
}

double jaro_winkler_score(std::string_view typed, std::string_view text) {
  if (typed == text) return 1;
  if (typed.empty() || text.empty()) return 0;
  const double jaro = jaro_score(typed, text);
  return jaro + static_cast<double>(common_prefix(typed, text, 4)) * 0.1 * (1 - jaro);
}

double substring_score(std::string_view typed, std::string_view text) {
  const size_t at = text.find(typed);
  if (at == std::string_view::npos) return 0;
  if (at == 0) return 1;
  return 1 - 0.9 * static_cast<double>(at) / static_cast<double>(text.size() - typed.size());
}

}  // namespace aerie::query
