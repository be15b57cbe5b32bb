#include "study/study_status.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "error.h"

namespace fakequant {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxShards = 1'000'000;

// A run that does not write for this many times its usual pause, and this many seconds, is silent.
constexpr double kPauses = 20, kSilentSeconds = 120;

std::vector<std::string> studies_at(const std::vector<std::string>& paths) {
  std::vector<std::string> studies;
  for (const auto& path : paths) {
    std::error_code fault;
    if (!fs::is_directory(path, fault)) {
      studies.push_back(path);
      continue;
    }
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(path, fault)) {
      if (entry.path().extension() == ".db") found.push_back(entry.path().string());
    }
    if (fault) throw Error(fmt::format("cannot list the folder {}: {}", path, fault.message()));
    if (found.empty()) throw Error(fmt::format("there is no study in the folder {}: no file is named *.db", path));
    std::sort(found.begin(), found.end());
    studies.insert(studies.end(), found.begin(), found.end());
  }
  return studies;
}

ShareState state_of(const StudyRun& run, double now) {
  if (run.state == RunState::complete) return ShareState::complete;
  if (run.state == RunState::interrupted) return ShareState::interrupted;
  const double pause = run.done > 0 ? (run.updated - run.began) / run.done : 0;
  return now - run.updated > std::max(kSilentSeconds, kPauses * pause) ? ShareState::silent : ShareState::running;
}

std::optional<double> seconds_left(const ShareStatus& share) {
  const auto& run = share.run;
  if (share.state == ShareState::complete) return 0;
  if (share.state != ShareState::running || run.done <= 0) return std::nullopt;
  return std::max(0.0, (run.passes - run.done) * (run.updated - run.began) / run.done - share.silence);
}

double progress_of(const StudyRun& run) {
  if (run.state == RunState::complete) return 1;
  return run.passes > 0 ? std::min(1.0, run.done / run.passes) : 0;
}

// None where the study records no run.
std::optional<ShareStatus> share_status(const std::string& path, double now) {
  const StudyDatabase study(path, StudyAccess::read);
  const auto runs = study.runs();
  if (runs.empty()) return std::nullopt;
  ShareStatus share;
  share.study = path;
  share.run = runs.back();
  if (share.run.shard < 1 || share.run.shard > share.run.shards || share.run.shards > kMaxShards) {
    throw Error(
        fmt::format("{} is a damaged study: its last run is of share {}/{}", path, share.run.shard, share.run.shards));
  }
  share.state = state_of(share.run, now);
  share.progress = progress_of(share.run);
  share.silence = std::max(0.0, now - share.run.updated);
  share.seconds_left = seconds_left(share);
  for (const auto& [id, variant] : study.variants()) {
    ++share.variants;
    share.measured += static_cast<std::int64_t>(study.scores(id).size());
  }
  return share;
}

void sum_up(StudyStatus& status) {
  double longest = 0;
  bool is_known = true;
  std::vector<bool> is_there(static_cast<std::size_t>(status.shards), false);
  for (const auto& share : status.shares) {
    status.progress += share.progress;
    if (share.run.shards == status.shards) is_there[static_cast<std::size_t>(share.run.shard - 1)] = true;
    if (share.state != ShareState::running && share.state != ShareState::complete) continue;
    is_known = is_known && share.seconds_left;
    longest = std::max(longest, share.seconds_left.value_or(0));
  }
  for (int shard = 1; status.shards > 1 && shard <= status.shards; ++shard) {
    if (!is_there[static_cast<std::size_t>(shard - 1)]) status.without_study.push_back(shard);
  }
  const auto all = status.shares.size() + status.without_study.size();
  status.progress /= static_cast<double>(std::max<std::size_t>(1, all));
  if (is_known) status.seconds_left = longest;
}

}  // namespace

StudyStatus study_status(const std::vector<std::string>& paths, double now) {
  StudyStatus status;
  for (const auto& path : studies_at(paths)) {
    if (auto share = share_status(path, now)) {
      status.shards = std::max(status.shards, share->run.shards);
      status.shares.push_back(std::move(*share));
    } else {
      status.without_runs.push_back(path);
    }
  }
  if (status.shards > 1) {
    std::erase_if(status.shares, [](const ShareStatus& share) { return share.run.shards == 1; });
    status.without_runs.clear();  // such as the merged study
  }
  sum_up(status);
  return status;
}

}  // namespace fakequant
