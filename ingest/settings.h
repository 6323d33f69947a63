#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "ingest/identity.h"
#include "ingest/options.h"

namespace aerie::ingest {

/// What an operator has configured, ready to use. Immutable; a reload makes a new one, and requests
/// that came before finish with the old one.
struct Settings {
  IngestOptions options;
  BindingTable bindings;
  uint64_t process_seed = 0;

  /// Errors: those of BindingTable::create().
  static Result<std::shared_ptr<const Settings>> compile(IngestOptions new_options,
                                                         uint64_t process_seed);
  /// What is hashed with label bytes to name a series: differs wherever the same bytes may become
  /// another series.
  uint64_t series_seed(const ClusterBinding* binding) const;
  /// Whether a cluster, as stored, is one of the configuration.
  bool names(std::string_view cluster) const;
  /// The limits in force for a cluster.
  const ClusterLimits& limits_of(std::string_view cluster) const;
};

/// Who sent a request, and by which configuration.
struct Caller {
  std::shared_ptr<const Settings> settings;  ///< keeps `binding` alive
  const ClusterBinding* binding = nullptr;   ///< null: everybody may write
};

}  // namespace aerie::ingest
