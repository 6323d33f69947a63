#include "tests/ingest/support/write_v2.h"

#include <map>
#include <protozero/pbf_writer.hpp>

namespace aerie::ingest::test {
namespace {

class Symbols {
 public:
  uint32_t number_of(const std::string& text) {
    const auto [found, added] = numbers_.emplace(text, static_cast<uint32_t>(all_.size()));
    if (added) all_.push_back(text);
    return found->second;
  }
  std::vector<uint32_t> references(const Pairs& labels) {
    std::vector<uint32_t> numbers;
    for (const auto& [name, value] : labels) {
      numbers.push_back(number_of(name));
      numbers.push_back(number_of(value));
    }
    return numbers;
  }
  const std::vector<std::string>& all() const { return all_; }

 private:
  std::vector<std::string> all_ = {""};
  std::map<std::string, uint32_t> numbers_ = {{"", 0}};
};

void add_references(protozero::pbf_writer& writer, const std::vector<uint32_t>& numbers,
                    bool packed) {
  if (packed) {
    writer.add_packed_uint32(1, numbers.begin(), numbers.end());
  } else {
    for (const uint32_t number : numbers) writer.add_uint32(1, number);
  }
}

std::string encode(const V2Series& series, Symbols& symbols, const V2Layout& layout) {
  std::string bytes;
  protozero::pbf_writer message(bytes);
  const std::vector<uint32_t> labels = symbols.references(series.labels);
  if (!layout.labels_last) add_references(message, labels, layout.packed);
  for (const model::Sample& sample : series.samples) {
    std::string sample_bytes;
    protozero::pbf_writer writer(sample_bytes);
    writer.add_double(1, sample.value);
    writer.add_int64(2, sample.t);
    if (series.start != 0) writer.add_int64(3, series.start);
    message.add_message(2, sample_bytes);
  }
  for (const std::string& histogram : series.histograms) message.add_message(3, histogram);
  for (const V2Exemplar& exemplar : series.exemplars) {
    std::string exemplar_bytes;
    protozero::pbf_writer writer(exemplar_bytes);
    add_references(writer, symbols.references(exemplar.labels), layout.packed);
    writer.add_double(2, exemplar.value);
    writer.add_int64(3, exemplar.t);
    message.add_message(4, exemplar_bytes);
  }
  if (series.metadata) {
    std::string metadata_bytes;
    protozero::pbf_writer writer(metadata_bytes);
    writer.add_enum(1, series.metadata->type);
    writer.add_uint32(3, symbols.number_of(series.metadata->help));
    writer.add_uint32(4, symbols.number_of(series.metadata->unit));
    message.add_message(5, metadata_bytes);
  }
  if (series.created != 0) message.add_int64(6, series.created);
  if (layout.labels_last) add_references(message, labels, layout.packed);
  return bytes;
}

}  // namespace

std::string write_v2_request(const std::vector<V2Series>& series, V2Layout layout) {
  Symbols symbols;
  std::string in_series;
  protozero::pbf_writer series_writer(in_series);
  for (const V2Series& one : series) series_writer.add_message(5, encode(one, symbols, layout));
  std::string in_symbols;
  protozero::pbf_writer symbol_writer(in_symbols);
  for (const std::string& symbol : symbols.all()) symbol_writer.add_string(4, symbol);
  return layout.symbols_last ? in_series + in_symbols : in_symbols + in_series;
}

std::string write_v2_body(const std::vector<V2Series>& series) {
  return snappy_block(write_v2_request(series));
}

}  // namespace aerie::ingest::test
