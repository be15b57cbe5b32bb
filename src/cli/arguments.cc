#include "cli/arguments.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <utility>

#include "cli/command.h"
#include "error.h"
#include "version.h"

namespace fakequant {
namespace {

template <typename Value>
CLI::Option* add(CLI::App& command, const std::string& flags, Value& value, const std::string& help,
                 const std::string& type, const std::string& group) {
  return command.add_option(flags, value, help)->type_name(type)->group(group);
}

template <typename Value>
void add_number(CLI::App& command, const std::string& flags, Value& value, Value min, Value max,
                const std::string& help, const std::string& group) {
  // The error names the range; the help does not.
  auto* option = add(command, flags, value, help, "N", group)->check(CLI::Range(min, max).description(""));
  option->check([](const std::string& text) {
    return text.find_first_of("nN") == text.npos ? "" : "Value " + text + " is not a number";
  });
  // The help text explains defaults that are out of range, such as 0 for "all".
  if (value != Value{} && value >= min) option->default_str(fmt::format("{}", value));
}

// llama.cpp has short options of several letters, which CLI11 cannot parse: their long names.
const char* as_long_option(const char* argument) {
  constexpr std::array<std::pair<const char*, const char*>, 7> kLongNames = {{{"-ngl", "--gpu-layers"},
                                                                              {"-dev", "--device"},
                                                                              {"-ub", "--ubatch-size"},
                                                                              {"-nr", "--no-repack"},
                                                                              {"-fa", "--flash-attn"},
                                                                              {"-ctk", "--cache-type-k"},
                                                                              {"-ctv", "--cache-type-v"}}};
  for (const auto& [name, long_name] : kLongNames) {
    if (std::string_view(argument) == name) return long_name;
  }
  return argument;
}

}  // namespace

void Arguments::positional(const std::string& name, std::string& value, const std::string& help, Required required) {
  command_.add_option(name, value, help)->type_name("")->required(required == Required::yes);
}

void Arguments::positionals(const std::string& name, std::vector<std::string>& values, const std::string& help,
                            Required required) {
  command_.add_option(name, values, help)->type_name("")->required(required == Required::yes);
}

void Arguments::text(const std::string& flags, const std::string& type, std::string& value, const std::string& help,
                     Required required) {
  add(command_, flags, value, help, type, group_)->required(required == Required::yes);
}

void Arguments::texts(const std::string& flags, const std::string& type, std::vector<std::string>& values,
                      const std::string& help, Required required) {
  add(command_, flags, values, help, type, group_)->allow_extra_args(false)->required(required == Required::yes);
}

void Arguments::list(const std::string& flags, const std::string& type, std::vector<std::string>& values,
                     const std::string& help) {
  add(command_, flags, values, help, type, group_)->delimiter(',')->allow_extra_args(false);
}

void Arguments::number(const std::string& flags, int& value, int min, int max, const std::string& help) {
  add_number(command_, flags, value, min, max, help, group_);
}

void Arguments::number(const std::string& flags, double& value, double min, double max, const std::string& help) {
  add_number(command_, flags, value, min, max, help, group_);
}

void Arguments::number(const std::string& flags, std::uint32_t& value, std::uint32_t max, const std::string& help) {
  add_number(command_, flags, value, std::uint32_t{0}, max, help, group_);
}

void Arguments::number_or_all(const std::string& flags, std::optional<int>& value, int max, const std::string& help) {
  add(command_, flags, value, help, "N", group_)
      ->check(CLI::Range(-1, max).description(""))
      ->transform([](const std::string& text) { return text == "all" ? "-1" : text; });
}

void Arguments::flag(const std::string& flags, bool& value, const std::string& help) {
  command_.add_flag(flags, value, help)->group(group_);
}

Program::Program()
    : app_(std::make_unique<CLI::App>(
          "What does a GGUF language model lose when parts of it are stored in another number format?", "fakequant")) {
  app_->set_version_flag("--version", "fakequant " + version());
  app_->require_subcommand(1);
  app_->get_formatter()->column_width(34);
  app_->footer(
      "For the options of a command: fakequant eval --help\n"
      "Exit codes: 0 done; 1 the work failed; 2 wrong usage; 3 a condition of --fail-if holds.\n");
}

Program::~Program() = default;

void Program::add(const Command& command, const std::string& command_line) {
  auto& subcommand = *app_->add_subcommand(command.name, command.summary);
  const auto notes = command.notes.empty() ? std::string() : command.notes + "\n";
  subcommand.footer(fmt::format("{}Example: fakequant {}\n", notes, command.example));
  Arguments arguments(subcommand);
  subcommand.callback(command.add(arguments, command_line));
}

int Program::run(int count, const char* const* arguments) {
  std::vector<std::string> names;
  for (const auto* command : app_->get_subcommands({})) names.push_back(command->get_name());
  if (count > 1 && arguments[1][0] != '-' && std::find(names.begin(), names.end(), arguments[1]) == names.end()) {
    throw usage_error(fmt::format("unknown command '{}': the commands are {}", arguments[1], fmt::join(names, " ")));
  }
  try {
    std::vector<const char*> long_arguments(arguments, arguments + count);
    std::transform(long_arguments.begin(), long_arguments.end(), long_arguments.begin(), as_long_option);
    app_->parse(count, long_arguments.data());
    return 0;
  } catch (const CLI::ExtrasError&) {
    const auto extras = app_->remaining(true);
    const auto option =
        std::find_if(extras.begin(), extras.end(), [](const auto& text) { return text.starts_with('-'); });
    throw usage_error(fmt::format("unknown argument '{}': see fakequant {} --help",
                                  option == extras.end() ? extras.front() : *option, arguments[1]));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app_->exit(error);  // --help, --version
    const auto commands = app_->get_subcommands();
    const auto help = commands.empty() ? std::string() : commands[0]->get_name() + " ";
    std::string what = error.what();
    // The model is a positional argument, which may also be given as llama.cpp's tools have it.
    if (what == "--model is required") what = "MODEL is required";
    throw usage_error(fmt::format("{}: see fakequant {}--help", what, help));
  }
}

}  // namespace fakequant
