#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cli/import_command.h"
#include "cli/import_progress.h"
#include "cli/import_sink.h"
#include "model/labels.h"
#include "model/time.h"

namespace aerie::cli {

/// What one import works with. One owner.
struct ImportJob {
  ImportJob(ImportSink::Options to, ImportProgress from_here, model::Labels to_add)
      : sink(std::move(to)), progress(std::move(from_here)), labels(std::move(to_add)) {}
  ImportSink sink;
  ImportProgress progress;
  model::Labels labels;  ///< to add
};

/// Opens sink and progress. `name` tells this import from others, in one line. Errors:
/// InvalidArgument (labels, token file, progress of another job).
Result<std::unique_ptr<ImportJob>> open_job(const ImportOptions& options, const std::string& name);

/// `labels` without those whose names are in `names`.
model::Labels missing_labels(const model::Labels& labels,
                             const std::vector<std::string_view>& names);

/// Says how it ended, on standard output or error, and returns the exit code: 0 whole, 1 not.
int finish_job(const ImportJob& job, const Status& status);

}  // namespace aerie::cli
