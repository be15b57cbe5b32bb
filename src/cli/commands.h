// The commands: each adds itself to the program, with its options, help and example.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace fakequant {

void add_inspect(CLI::App& program, const std::string& command_line);
void add_apply(CLI::App& program, const std::string& command_line);
void add_compare(CLI::App& program, const std::string& command_line);
void add_sites(CLI::App& program, const std::string& command_line);
void add_eval(CLI::App& program, const std::string& command_line);
void add_generate(CLI::App& program, const std::string& command_line);
void add_bench(CLI::App& program, const std::string& command_line);
void add_calibrate(CLI::App& program, const std::string& command_line);
void add_experiment(CLI::App& program, const std::string& command_line);
void add_sweep(CLI::App& program, const std::string& command_line);
void add_study(CLI::App& program, const std::string& command_line);
void add_plan(CLI::App& program, const std::string& command_line);
void add_drift(CLI::App& program, const std::string& command_line);
void add_report(CLI::App& program, const std::string& command_line);
void add_formats(CLI::App& program, const std::string& command_line);

}  // namespace fakequant
