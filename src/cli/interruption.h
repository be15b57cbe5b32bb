// Ctrl-C as a request: a command that can stop early, and report what it has measured, asks whether Ctrl-C was pressed.
#pragma once

namespace fakequant {

class Interruption {
 public:
  // From here on the first Ctrl-C only sets a flag; the second ends the program at once.
  Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;
  ~Interruption();

  static bool is_asked_for();

  // Ends the program by SIGINT, so that a shell loop around it ends too.
  [[noreturn]] static void leave();
};

}  // namespace fakequant
