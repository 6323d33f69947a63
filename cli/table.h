#pragma once

#include <string>
#include <vector>

namespace aerie::cli {

/// Rows printed in aligned columns, three spaces apart, as kubectl does. Not thread-safe.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }
  /// With a header line unless `headers` is false; no trailing blanks. Widths count code points.
  std::string render(bool headers) const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

/// `5s`, `12m`, `3h20m`, `4d`: kubectl's short durations.
std::string short_age(double seconds);

}  // namespace aerie::cli
