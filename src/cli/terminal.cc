#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

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
  return {is_known ? size.ws_col : 0, from_environment("NO_COLOR").empty() && from_environment("TERM") != "dumb"};
}

}  // namespace fakequant
