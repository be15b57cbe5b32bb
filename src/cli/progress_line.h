// Shows "name: 45 %, 12 s left" on stderr, if stderr is a terminal and the work takes more than a second.
//
// The line is written over itself, and cut to the terminal's width, which is asked for each time. A terminal without
// escapes (TERM is "dumb" or not set) gets a new line now and then.
#pragma once

#include <string>

#include "progress.h"

namespace fakequant {

struct CommonOptions;

class ProgressLine {
 public:
  ProgressLine(const CommonOptions& options, std::string name);
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine();

  // `done`: 0 to 1. `details` is shown after the time left.
  void show(double done, const std::string& details = {});
  Progress callback() {
    return [this](double done) { show(done); };
  }

 private:
  std::string name_;
  bool is_wanted_, is_overwritten_;
  bool is_shown_ = false;
  double begin_;
  double last_shown_ = 0;
};

}  // namespace fakequant
