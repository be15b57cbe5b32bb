// The arguments of a command, which the parser stores in variables.
//
// This wraps the part of CLI11 that the commands need, so that only arguments.cc includes it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace fakequant {

struct Command;

enum class Required : bool { no, yes };

class Arguments {
 public:
  explicit Arguments(CLI::App& command) : command_(command) {}

  // Each `value` holds the default, and must outlive the parsing and the command. `flags` is such as "-o,--output",
  // `type` the placeholder of the value in the help. A value out of range is a usage error that gives the range.
  void positional(const std::string& name, std::string& value, const std::string& help,
                  Required required = Required::yes);
  void positionals(const std::string& name, std::vector<std::string>& values, const std::string& help,
                   Required required = Required::yes);  // where required, at least one
  void text(const std::string& flags, const std::string& type, std::string& value, const std::string& help,
            Required required = Required::no);
  void texts(const std::string& flags, const std::string& type, std::vector<std::string>& values,
             const std::string& help, Required required = Required::no);
  void list(const std::string& flags, const std::string& type, std::vector<std::string>& values,
            const std::string& help);  // "a,b,c"
  void number(const std::string& flags, int& value, int min, int max, const std::string& help);
  void number(const std::string& flags, double& value, double min, double max, const std::string& help);
  void number(const std::string& flags, std::uint32_t& value, std::uint32_t max, const std::string& help);
  void number_or_all(const std::string& flags, std::optional<int>& value, int max,
                     const std::string& help);  // "all" is -1
  void flag(const std::string& flags, bool& value, const std::string& help);

  // Options that follow are listed under this heading.
  void group(const std::string& name) { group_ = name; }

 private:
  CLI::App& command_;
  std::string group_ = "Options";
};

// The program: its commands, and the parsing of the command line.
class Program {
 public:
  Program();
  ~Program();

  // `command_line`: as typed, for the command's reports.
  void add(const Command& command, const std::string& command_line);

  // Runs the command that the arguments name, and returns the exit code. Throws a usage error for invalid arguments,
  // and what the command throws.
  int run(int count, const char* const* arguments);

 private:
  std::unique_ptr<CLI::App> app_;
};

}  // namespace fakequant
