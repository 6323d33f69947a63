#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/sample.h"
#include "store/columns.h"

namespace aerie::store {

/// Native histograms of one series turned on their side: layouts once per run of rows that share
/// them, then count, zero count, sum and every bucket as a column of its own, whatever their schema
/// and whether they count in integers. docs/formats/columns.md, kind 33.

/// Appends. False, with nothing appended, if they cannot be packed: a layout that names a bucket
/// twice, or too many buckets times rows. Each must be storable().
bool pack_histograms(std::span<const model::HistogramSample> samples, ColumnBytes& out);
/// What stands behind the kind. Appends one sample per timestamp. Errors: Corruption.
Status unpack_histograms(ColumnReader& in, std::span<const model::TimestampMs> timestamps,
                         std::vector<model::HistogramSample>& out);

/// Parts of both forms.
void put_spans(std::string& out, const std::vector<model::BucketSpan>& spans);
/// Reads spans and returns the number of buckets they cover; fails the reader when that is absurd.
uint64_t get_spans(ByteReader& in, std::vector<model::BucketSpan>& out);
void put_numbers(std::string& out, const std::vector<double>& numbers);
void get_numbers(ByteReader& in, uint64_t count, std::vector<double>& out);

}  // namespace aerie::store
