// A command of the program.
//
// A command is one file: a struct of its options, a function that adds them, one that runs it, and NAME_command(),
// which puts them together with the help. The table in commands.cc lists all commands.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/options.h"
#include "cli/progress_line.h"

namespace fakequant {

struct Command {
  std::string name;
  std::string summary;     // one line, for the list of commands
  std::string notes = {};  // more help, shown below the options; with line breaks, and none at the end
  std::string example;     // the arguments of an example: "inspect model.gguf"

  // Adds the options, and returns what runs the command once they have been parsed. See command_of.
  std::function<std::function<void()>(Arguments& arguments, const std::string& command_line)> add;
};

// The `add` of a command whose options are a struct derived from CommonOptions. Adds the common options after all
// others.
template <typename Options>
auto command_of(void (*add_options)(Arguments&, Options&), void (*run)(Options&)) {
  return [=](Arguments& arguments, const std::string& command_line) -> std::function<void()> {
    const auto options = std::make_shared<Options>();
    options->command_line = command_line;
    add_options(arguments, *options);
    add_common_options(arguments, *options);
    return [=] { run(*options); };
  };
}

// All commands, in the order of the help.
std::vector<Command> all_commands();

}  // namespace fakequant
