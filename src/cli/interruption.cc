#include "cli/interruption.h"

#include <csignal>
#include <cstdlib>

namespace fakequant {
namespace {

volatile std::sig_atomic_t asked_for = 0;

void listen_for(int signal) {
  struct sigaction before {};
  sigaction(signal, nullptr, &before);
  if (before.sa_handler == SIG_IGN) return;  // as for a program in the background
  struct sigaction action {};
  action.sa_handler = [](int) { asked_for = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigaction(signal, &action, nullptr);
}

}  // namespace

Interruption::Interruption(By by) {
  listen_for(SIGINT);
  if (by == By::any_end) listen_for(SIGTERM);
}

Interruption::~Interruption() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

bool Interruption::is_asked_for() { return asked_for != 0; }

void Interruption::take() { asked_for = 0; }

void Interruption::leave() {
  std::signal(SIGINT, SIG_DFL);
  std::raise(SIGINT);
  std::_Exit(EXIT_FAILURE);
}

}  // namespace fakequant
