#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/time.h"
#include "store/byte_io.h"
#include "store/integer_block.h"

namespace aerie::store {

/// Start timestamps (when a counter began, 0: not said) as they stand in a log record and in a
/// partition's columns. docs/formats/log.md, docs/formats/columns.md.

/// A section of a log record: one start for each of its rows, in their order. Appends.
void put_start_runs(std::string& out, model::TimestampMs arrived,
                    std::span<const model::TimestampMs> starts);
/// Replaces `out` by exactly `rows` starts; fails the reader if they are not what stands there.
void get_start_runs(ByteReader& in, model::TimestampMs arrived, size_t rows,
                    std::vector<model::TimestampMs>& out);

/// A column beside the values or histograms of `times`. `starts`: as many, at least one of them not
/// 0. Appends.
void put_start_column(IntegerEncoder& encoder, std::span<const model::TimestampMs> times,
                      std::span<const model::TimestampMs> starts, ColumnBytes& out);
/// Replaces `out` by one start per time. Errors: Corruption.
Status get_start_column(ColumnReader& in, std::span<const model::TimestampMs> times,
                        std::vector<model::TimestampMs>& out);

}  // namespace aerie::store
