#include "serve/answer.h"

#include <utility>

namespace fakequant {

void Answer::write(std::string_view piece) {
  {
    const std::lock_guard lock(mutex_);
    text_ += piece;
  }
  changed_.notify_one();
}

void Answer::finish(State state) {
  {
    const std::lock_guard lock(mutex_);
    if (state_ == State::open) state_ = state;
  }
  changed_.notify_one();
}

void Answer::end() { finish(State::ended); }

void Answer::fail() { finish(State::failed); }

Answer::Read Answer::read(std::chrono::milliseconds wait) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, wait, [&] { return !text_.empty() || state_ != State::open; });
  return {std::exchange(text_, {}), state_};
}

}  // namespace fakequant
