// Ctrl-C as a wish and not an end: a command that can end with what it has so far asks whether it was pressed.
#pragma once

namespace fakequant {

class Interruption {
 public:
  // From here on the first Ctrl-C is taken note of; the second ends the program at once.
  Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;
  ~Interruption();

  static bool is_asked_for();

  // Ends the program as Ctrl-C would have, so that a shell's loop around it ends too.
  [[noreturn]] static void leave();
};

}  // namespace fakequant
