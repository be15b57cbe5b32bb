#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "characters.h"
#include "report/display_width.h"

namespace fakequant {
namespace {

std::string_view from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

}  // namespace

Screen screen_of_stdout() {
  if (isatty(STDOUT_FILENO) == 0) return {};
  struct winsize size {};
  const bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
  return {is_known ? size.ws_col : 0, from_environment("NO_COLOR").empty() && terminal_has_escapes()};
}

int columns_of_stderr() {
  constexpr int kUsual = 80;
  struct winsize size {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUsual;
}

bool terminal_has_escapes() {
  const auto kind = from_environment("TERM");
  return !kind.empty() && kind != "dumb";
}

std::string cut_to_columns(std::string_view line, int columns) {
  std::size_t end = 0;
  for (int taken = 0; end < line.size();) {
    const auto length = std::max<std::size_t>(1, character_length(line.substr(end)));
    taken += static_cast<int>(display_width(line.substr(end, length)));
    if (taken > columns) break;
    end += length;
  }
  return std::string(line.substr(0, end));
}

}  // namespace fakequant
