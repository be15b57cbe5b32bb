// The table of commands.
#include "cli/command.h"

// Each command is defined in a file of its name, NAME.cc. A new one is a line here.
#define FAKEQUANT_COMMANDS(COMMAND) \
  COMMAND(inspect)                  \
  COMMAND(apply)                    \
  COMMAND(quantize)                 \
  COMMAND(compare)                  \
  COMMAND(sites)                    \
  COMMAND(eval)                     \
  COMMAND(generate)                 \
  COMMAND(bench)                    \
  COMMAND(calibrate)                \
  COMMAND(experiment)               \
  COMMAND(sweep)                    \
  COMMAND(study)                    \
  COMMAND(plan)                     \
  COMMAND(drift)                    \
  COMMAND(report)                   \
  COMMAND(serve)                    \
  COMMAND(tasks)                    \
  COMMAND(formats)                  \
  COMMAND(recipes)

namespace fakequant {

#define DECLARE(name) Command name##_command();
FAKEQUANT_COMMANDS(DECLARE)
#undef DECLARE

std::vector<Command> all_commands() {
#define CALL(name) name##_command(),
  return {FAKEQUANT_COMMANDS(CALL)};
#undef CALL
}

}  // namespace fakequant
