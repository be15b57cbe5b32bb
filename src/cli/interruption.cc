#include "cli/interruption.h"

#include <csignal>
#include <cstdlib>

namespace fakequant {
namespace {

volatile std::sig_atomic_t asked_for = 0;

}  // namespace

Interruption::Interruption() {
  struct sigaction before {};
  sigaction(SIGINT, nullptr, &before);
  if (before.sa_handler == SIG_IGN) return;  // as for a program in the background
  struct sigaction action {};
  action.sa_handler = [](int) { asked_for = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigaction(SIGINT, &action, nullptr);
}

Interruption::~Interruption() { std::signal(SIGINT, SIG_DFL); }

bool Interruption::is_asked_for() { return asked_for != 0; }

void Interruption::leave() {
  std::signal(SIGINT, SIG_DFL);
  std::raise(SIGINT);
  std::_Exit(EXIT_FAILURE);
}

}  // namespace fakequant
