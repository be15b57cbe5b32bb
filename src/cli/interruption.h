// Ctrl-C as a request: a command that can stop early, and report what it has measured, asks whether Ctrl-C was pressed.
#pragma once

namespace fakequant {

class Interruption {
 public:
  // What sets the flag: Ctrl-C, or also SIGTERM, which ends services.
  enum class By { ctrl_c, any_end };

  // From here on the first Ctrl-C only sets a flag; the second ends the program at once.
  explicit Interruption(By by = By::ctrl_c);
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;
  ~Interruption();

  static bool is_asked_for();

  // It was what ends the command, and nothing was cut off: the program ends as it would otherwise.
  static void take();

  // Ends the program by SIGINT, so that a shell loop around it ends too.
  [[noreturn]] static void leave();
};

}  // namespace fakequant
