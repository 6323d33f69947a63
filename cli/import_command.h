#pragma once

#include <string>
#include <vector>

namespace aerie::cli {

/// What all imports have in common.
struct ImportOptions {
  std::string url;                  ///< of aerie
  std::string bearer_token_file;    ///< empty: none
  std::vector<std::string> labels;  ///< `name=value`, for series that do not have the name
  std::string progress_file;        ///< empty: beside the working directory, named after the job
  bool keep_going = false;          ///< go on when samples are refused
};

/// `aeriectl import openmetrics FILE`: a text file with timestamps, sent day by day. Exit code 3:
/// the file is wrong, nothing was sent.
int run_import_openmetrics(const std::string& file, const ImportOptions& options);

struct RemoteReadSource {
  std::string url;                     ///< of the Prometheus; `/api/v1/read` is added
  std::vector<std::string> selectors;  ///< `{job="node"}`; empty: everything
  std::string from;                    ///< RFC 3339, float seconds, or a duration before now
  std::string to;                      ///< the same; empty: now
  std::string window = "1h";           ///< how much is asked at once
};
/// `aeriectl import remote-read URL`: what a Prometheus holds, oldest first.
int run_import_remote_read(const RemoteReadSource& source, const ImportOptions& options);

}  // namespace aerie::cli
