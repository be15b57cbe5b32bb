// The program: runs the command that the arguments name, and reports an error as one line and an exit code.
#include <fcntl.h>
#include <fmt/format.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/interruption.h"
#include "engine/backend.h"
#include "error.h"
#include "format/ggml_types.h"
#include "format/kernel_targets.h"
#include "report/printable_text.h"

namespace {

// The command line as it can be typed again.
std::string quoted(int count, char** arguments) {
  std::string line = "fakequant";
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    constexpr auto plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=:,./@%";
    if (!argument.empty() && argument.find_first_not_of(plain) == std::string::npos) {
      line += " " + argument;
      continue;
    }
    line += " '";
    for (const char c : argument) line += c == '\'' ? "'\\''" : std::string(1, c);
    line += "'";
  }
  return line;
}

int complain(const std::string& message, fakequant::Failure failure) {
  auto line = message;
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::fputs(("fakequant: " + fakequant::printable(line) + "\n").c_str(),
             stderr);  // nothing can be done where stderr fails
  return static_cast<int>(failure);
}

// llama.cpp calls abort() after this. Leaving here keeps it to one line and the right exit code.
[[noreturn]] void leave(const std::string& message) {
  const auto line = "fakequant: " + fakequant::printable(message) + "\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, line.data(), line.size());
  _exit(static_cast<int>(fakequant::Failure::work));
}

// A server that goes away is an error that llama.cpp reports, and no reason to be killed by a signal. Without servers
// SIGPIPE stays what ends the program quietly when the reader of its output has gone.
void ignore_broken_connections(int count, char** arguments) {
  const auto is_rpc = [](std::string_view argument) { return argument.starts_with("--rpc"); };
  if (std::any_of(arguments, arguments + count, is_rpc)) std::signal(SIGPIPE, SIG_IGN);
}

// Opens descriptors 0, 1 and 2 where they are closed: otherwise the first file opened would be stdout.
void occupy_standard_streams() {
  for (int fd = open("/dev/null", O_RDWR); fd >= 0; fd = open("/dev/null", O_RDWR)) {
    if (fd > STDERR_FILENO) {
      close(fd);
      return;
    }
  }
}

// Every piece of a tensor needs buffers of a few hundred KB. By default malloc would map and unmap each of them, and
// the page faults would cost more than the work on the values.
void keep_freed_memory() {
#ifdef __GLIBC__
  constexpr int kBytes = 32 << 20;
  mallopt(M_MMAP_THRESHOLD, kBytes);
  mallopt(M_TRIM_THRESHOLD, kBytes);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  occupy_standard_streams();
  keep_freed_memory();
  fakequant::register_ggml_types();
  ignore_broken_connections(argc, argv);
  fakequant::set_engine_abort_handler(leave);
  try {
    // For tests: the kernels as a lesser processor would run them.
    if (const char* highest = std::getenv("FAKEQUANT_HIGHEST_TARGET")) fakequant::limit_kernels(highest);
    fakequant::Program program;
    const auto line = quoted(argc, argv);
    for (const auto& command : fakequant::all_commands()) program.add(command, line);
    const int exit_code = program.run(argc, argv);
    if (fakequant::Interruption::is_asked_for()) fakequant::Interruption::leave();
    return exit_code;
  } catch (const fakequant::Error& error) {
    return complain(error.what(), error.failure());
  } catch (const std::bad_alloc&) {
    return complain("not enough memory", fakequant::Failure::work);
  } catch (const std::exception& error) {
    return complain(error.what(), fakequant::Failure::work);
  }
}
