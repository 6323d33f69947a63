#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/integer_block.h"

namespace aerie::store {

/// What the rows of a column are. Numbers of docs/formats/columns.md. Start timestamps are those of
/// the column right before them, of the same series, and share its clock.
enum class ColumnRole : uint8_t { Floats = 0, Histograms = 1, Exemplars = 2, StartTimestamps = 3 };

/// One column inside a group. The views live as long as the group.
struct GroupColumn {
  ColumnRole role = ColumnRole::Floats;
  uint32_t clock = 0;
  std::string_view head;
  std::string_view body;
};

/// Collects the columns of consecutive series into the value of one `group` key. One owner.
class GroupBuilder {
 public:
  explicit GroupBuilder(uint64_t seed);
  ~GroupBuilder();

  /// Series come in ascending order without holes; several columns of one series follow each other.
  void add(uint32_t series, ColumnRole role, uint32_t clock, const ColumnBytes& column);
  bool empty() const { return roles_.empty(); }
  size_t columns() const { return roles_.size(); }
  uint32_t first_series() const { return first_series_; }
  uint32_t series_count() const { return last_series_ + 1 - first_series_; }
  /// Before compression.
  size_t bytes() const { return heads_.size() + bodies_.size() + 4 * roles_.size(); }
  /// The finished group, checked to come back byte for byte; the builder is empty again. Errors:
  /// Internal.
  Result<std::string> finish();

 private:
  struct Compressor;
  std::string compress(const std::string& section, size_t least_gain_percent) const;

  const uint64_t seed_;
  std::unique_ptr<Compressor> compressor_;
  uint32_t first_series_ = 0;
  uint32_t last_series_ = 0;
  uint32_t last_clock_ = 0;
  std::string roles_;
  std::string clocks_;
  std::string head_sizes_;
  std::string body_sizes_;
  std::string heads_;
  std::string bodies_;
};

/// A group read back. Immutable, usable from any thread.
class ColumnGroup {
 public:
  ColumnGroup() = default;  ///< without series
  /// Errors: Corruption (checksum, grammar, unknown version or role).
  static Result<std::shared_ptr<const ColumnGroup>> parse(std::string_view bytes, uint64_t seed);

  uint32_t first_series() const { return first_series_; }
  uint32_t series_count() const {
    return starts_.empty() ? 0 : static_cast<uint32_t>(starts_.size() - 1);
  }
  /// The columns of one series; empty if it is not in this group.
  std::span<const GroupColumn> columns(uint32_t series) const;
  size_t memory_bytes() const {
    return directory_.size() + bodies_.size() + columns_.size() * sizeof(GroupColumn) +
           starts_.size() * 4;
  }

  /// True if these are its unpacked sections.
  bool holds(std::string_view directory, std::string_view bodies) const {
    return directory == directory_ && bodies == bodies_;
  }

 private:
  Status parse_directory(uint64_t columns, uint64_t series);

  uint32_t first_series_ = 0;
  std::string directory_;
  std::string bodies_;
  std::vector<GroupColumn> columns_;
  std::vector<uint32_t> starts_;  // of each series in columns_, and the end
};

}  // namespace aerie::store
