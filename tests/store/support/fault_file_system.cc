#include "tests/store/support/fault_file_system.h"

#include <algorithm>
#include <numeric>

namespace aerie::store::testing {
namespace {

void write_into(std::string& content, uint64_t offset, std::string_view bytes) {
  if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size());
  content.replace(offset, bytes.size(), bytes);
}

}  // namespace

class FaultFileSystem::File final : public LogFile {
 public:
  File(Guarded<State>& state, std::shared_ptr<Content> content)
      : state_(state), content_(std::move(content)) {}

  Status write_at(uint64_t offset, std::string_view bytes) override {
    return state_.with([&](State& state) -> Status {
      if (bytes.size() > state.space) {
        return Error(ErrorCode::Unavailable, "write: No space left on device");
      }
      state.space -= bytes.size();
      write_into(content_->current, offset, bytes);
      content_->unsynced.emplace_back(offset, bytes);
      return {};
    });
  }
  Status sync() override {
    return state_.with([&](State& state) -> Status {
      ++state.syncs;
      if (state.failing_syncs > 0) {
        --state.failing_syncs;
        content_->unsynced.clear();  // the next sync would say that all is well
        return Error(ErrorCode::IoError, "fdatasync: Input/output error");
      }
      for (const auto& [offset, bytes] : content_->unsynced)
        write_into(content_->durable, offset, bytes);
      content_->unsynced.clear();
      return {};
    });
  }
  Result<std::string> read_at(uint64_t offset, size_t length) const override {
    return state_.with([&](const State&) -> Result<std::string> {
      if (offset >= content_->current.size()) return std::string();
      return content_->current.substr(offset, length);
    });
  }
  Result<uint64_t> size() const override {
    return state_.with([&](const State&) -> Result<uint64_t> { return content_->current.size(); });
  }
  Status truncate(uint64_t length) override {
    return state_.with([&](State&) -> Status {
      content_->current.resize(length);
      content_->durable.resize(length);
      return {};
    });
  }
  Status preallocate(uint64_t length) override {
    if (auto written = write_at(0, std::string(length, '\0')); !written) return written;
    return sync();
  }

 private:
  Guarded<State>& state_;
  const std::shared_ptr<Content> content_;
};

void FaultFileSystem::fail_syncs(int n) {
  state_.with([&](State& state) { state.failing_syncs = n; });
}

void FaultFileSystem::set_space(uint64_t bytes) {
  state_.with([&](State& state) { state.space = bytes; });
}

void FaultFileSystem::crash(uint64_t survivors) {
  state_.with([&](State& state) {
    for (auto& [path, content] : state.files) {
      uint64_t left = survivors;
      for (const auto& [offset, bytes] : content->unsynced) {
        const std::string_view part =
            std::string_view(bytes).substr(0, std::min<uint64_t>(left, bytes.size()));
        write_into(content->durable, offset, part);
        left -= part.size();
      }
      content->unsynced.clear();
      content->current = content->durable;
    }
    state.failing_syncs = 0;
    state.space = UINT64_MAX;
  });
}

void FaultFileSystem::damage(const std::string& path, uint64_t offset) {
  state_.with([&](State& state) {
    Content& content = *state.files.at(path);
    content.durable.at(offset) ^= 0x40;
    content.current.at(offset) ^= 0x40;
  });
}

uint64_t FaultFileSystem::unsynced_bytes() const {
  return state_.with([](const State& state) {
    uint64_t bytes = 0;
    for (const auto& [path, content] : state.files) {
      for (const auto& [offset, written] : content->unsynced) bytes += written.size();
    }
    return bytes;
  });
}

int FaultFileSystem::syncs() const {
  return state_.with([](const State& state) { return state.syncs; });
}

std::string FaultFileSystem::content(const std::string& path) const {
  return state_.with([&](const State& state) { return state.files.at(path)->current; });
}

Result<std::unique_ptr<LogFile>> FaultFileSystem::open(const std::string& path, bool create) {
  auto content = state_.with([&](State& state) -> std::shared_ptr<Content> {
    const auto known = state.files.find(path);
    if (known != state.files.end()) return known->second;
    if (!create) return nullptr;
    return state.files[path] = std::make_shared<Content>();
  });
  if (!content) return Error(ErrorCode::NotFound, "open " + path + ": No such file or directory");
  return std::unique_ptr<LogFile>(std::make_unique<File>(state_, std::move(content)));
}

Status FaultFileSystem::make_folders(const std::string&) { return {}; }

Result<std::vector<std::string>> FaultFileSystem::list(const std::string& folder) const {
  return state_.with([&](const State& state) -> Result<std::vector<std::string>> {
    std::vector<std::string> names;
    for (const auto& [path, content] : state.files) {
      if (path.compare(0, folder.size() + 1, folder + "/") != 0) continue;
      const std::string rest = path.substr(folder.size() + 1);
      if (rest.find('/') == std::string::npos) names.push_back(rest);
    }
    return names;
  });
}

Status FaultFileSystem::rename(const std::string& from, const std::string& to) {
  return state_.with([&](State& state) -> Status {
    const auto at = state.files.find(from);
    if (at == state.files.end()) return Error(ErrorCode::NotFound, "rename " + from);
    auto content = at->second;
    state.files.erase(at);
    state.files[to] = std::move(content);
    return {};
  });
}

Status FaultFileSystem::remove(const std::string& path) {
  return state_.with([&](State& state) -> Status {
    if (state.files.erase(path) == 0) return Error(ErrorCode::NotFound, "remove " + path);
    return {};
  });
}

Status FaultFileSystem::sync_folder(const std::string&) { return {}; }

Result<DiskSpace> FaultFileSystem::space(const std::string&) const {
  return state_.with([](const State& state) -> Result<DiskSpace> {
    return DiskSpace{state.space, 0};
  });
}

Status FaultFileSystem::link(const std::string& from, const std::string& to) {
  return state_.with([&](State& state) -> Status {
    const auto at = state.files.find(from);
    if (at == state.files.end()) return Error(ErrorCode::NotFound, "link " + from);
    state.files[to] = at->second;
    return {};
  });
}

}  // namespace aerie::store::testing
