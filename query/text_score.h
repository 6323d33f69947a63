#pragma once

#include <string_view>

namespace aerie::query {

/// How well `text` fits what somebody typed, from 0 (not at all) to 1 (begins with it). Bytes are
/// compared; the caller folds cases.

/// The characters of `typed` in their order with anything between: runs count by their square, what
/// lies before, between and (half) after them is taken off in proportion to the text. 0 if some
/// character is missing.
double subsequence_score(std::string_view typed, std::string_view text);

/// The Jaro-Winkler similarity (Winkler 1990) with the usual weight of 0.1 for up to four common
/// leading characters.
double jaro_winkler_score(std::string_view typed, std::string_view text);

/// 1 where the text begins with `typed`, less the further behind it is found, 0 if it is not.
double substring_score(std::string_view typed, std::string_view text);

}  // namespace aerie::query
