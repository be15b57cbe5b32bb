#include "cli/progress_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "cli/options.h"
#include "cli/terminal.h"
#include "report/numbers.h"

namespace fakequant {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace

ProgressLine::ProgressLine(const CommonOptions& options, std::string name)
    : name_(std::move(name)),
      is_wanted_(!options.quiet && isatty(STDERR_FILENO) != 0),
      is_overwritten_(terminal_has_escapes()),
      begin_(now()) {}

ProgressLine::~ProgressLine() {
  if (is_shown_ && is_overwritten_) std::fputs("\r\033[K", stderr);
}

void ProgressLine::show(double done, const std::string& details) {
  const double pause = is_overwritten_ ? 0.1 : 10;  // seconds
  const double first = is_overwritten_ ? 1 : pause;
  const double elapsed = now() - begin_;
  if (!is_wanted_ || elapsed < first || elapsed - last_shown_ < pause || done <= 0) return;
  last_shown_ = elapsed;
  is_shown_ = true;
  const auto text = printable(fmt::format("{}: {:.0f} %, {:.0f} s left{}{}", name_, done * 100,
                                          elapsed / done * (1 - done), details.empty() ? "" : "; ", details));
  // Some terminals go to the next line once the last column is written to.
  const auto line = is_overwritten_ ? "\r\033[K" + cut_to_columns(text, columns_of_stderr() - 1) : text + "\n";
  std::fputs(line.c_str(), stderr);  // the work goes on without a terminal
  std::fflush(stderr);
}

}  // namespace fakequant
