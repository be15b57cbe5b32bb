// How far the sweeps have come that write studies: of one study, or of the shares of a sweep in a folder.
//
// A sweep notes in its study how much it has done of what it has to do, and when it last did (StudyRun). A program that
// was killed cannot note that: its run stays `running`, and falls silent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "study/study_database.h"

namespace fakequant {

enum class ShareState { running, silent, interrupted, complete };

inline constexpr auto kShareStateWords = std::to_array<Word<ShareState>>({{"running", ShareState::running},
                                                                          {"silent", ShareState::silent},
                                                                          {"interrupted", ShareState::interrupted},
                                                                          {"complete", ShareState::complete}});

struct ShareStatus {
  std::string study;
  StudyRun run;  // the last
  ShareState state = ShareState::running;
  double progress = 0;  // 0..1, of the last run
  int variants = 0;
  std::int64_t measured = 0;           // chunks of variants in the study
  double silence = 0;                  // seconds since the study was last written to
  std::optional<double> seconds_left;  // at the pace of this run; unset where that is not known, or nobody works on it
};

struct StudyStatus {
  std::vector<ShareStatus> shares;     // in the order of their studies' names
  int shards = 1;                      // of the sweep
  std::vector<int> without_study;      // shares that have not begun: they have no study yet
  std::vector<std::string> left_out;   // studies that record no run, or one of another number of shares
  double progress = 0;                 // 0..1: the mean over all shares of what their last runs have done
  std::optional<double> seconds_left;  // until the last of the running shares ends; 0 where all are complete, and
                                       // unset where none runs, or one that does has no pace yet
};

// `paths` are studies, and folders of which each file named *.db is one. `now` is in seconds since 1970. Beside shares,
// studies of other sweeps are left out, such as the merged one. Throws an Error where there is no study, or where one
// cannot be read.
StudyStatus study_status(const std::vector<std::string>& paths, double now);

}  // namespace fakequant
