#include "study/study_status.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

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
  share.variants = static_cast<int>(study.variants().size());
  share.measured = study.score_count();
  return share;
}

// The mean over all shares; of two studies of a share, the better counts.
double mean_progress(const StudyStatus& status) {
  std::map<int, double> best;
  double sum = 0;
  for (const auto& share : status.shares) {
    sum += share.progress;
    best[share.run.shard] = std::max(best[share.run.shard], share.progress);
  }
  if (status.shards == 1) return sum / static_cast<double>(std::max<std::size_t>(1, status.shares.size()));
  sum = 0;
  for (const auto& [shard, progress] : best) sum += progress;
  return sum / status.shards;
}

std::vector<int> shares_without_study(const StudyStatus& status) {
  std::set<int> there;
  for (const auto& share : status.shares) there.insert(share.run.shard);
  std::vector<int> missing;
  for (int shard = 1; status.shards > 1 && shard <= status.shards; ++shard) {
    if (!there.contains(shard)) missing.push_back(shard);
  }
  return missing;
}

std::optional<double> seconds_left(const StudyStatus& status) {
  const auto& shares = status.shares;
  const auto is = [](ShareState state) { return [state](const ShareStatus& share) { return share.state == state; }; };
  const bool is_complete =
      status.without_study.empty() && std::all_of(shares.begin(), shares.end(), is(ShareState::complete));
  if (!is_complete && std::none_of(shares.begin(), shares.end(), is(ShareState::running))) return std::nullopt;
  double longest = 0;
  for (const auto& share : shares) {
    if (share.state == ShareState::running && !share.seconds_left) return std::nullopt;
    longest = std::max(longest, share.seconds_left.value_or(0));
  }
  return longest;
}

}  // namespace

StudyStatus study_status(const std::vector<std::string>& paths, double now) {
  StudyStatus status;
  for (const auto& path : studies_at(paths)) {
    if (auto share = share_status(path, now)) {
      status.shards = std::max(status.shards, share->run.shards);
      status.shares.push_back(std::move(*share));
    } else {
      status.left_out.push_back(path);
    }
  }
  std::erase_if(status.shares, [&](const ShareStatus& share) {
    const bool is_other = share.run.shards != status.shards;
    if (is_other) status.left_out.push_back(share.study);
    return is_other;
  });
  status.without_study = shares_without_study(status);
  status.progress = mean_progress(status);
  status.seconds_left = seconds_left(status);
  return status;
}

}  // namespace fakequant
