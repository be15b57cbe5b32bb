// A pipe from the thread that computes to the thread of a connection: the pieces of an answer, and word that the client
// has gone.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>

namespace fakequant {

class Answer {
 public:
  enum class State { open, ended, failed };

  // For the thread that computes.
  void write(std::string_view piece);
  void end();
  void fail();  // it cannot be completed
  bool is_cancelled() const { return is_cancelled_; }

  // For the connection's thread: waits at most so long for a piece or for the end, and takes what there is.
  struct Read {
    std::string text;
    State state = State::open;  // after this text
  };
  Read read(std::chrono::milliseconds wait);
  void cancel() { is_cancelled_ = true; }

 private:
  void finish(State state);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;
  State state_ = State::open;
  std::atomic<bool> is_cancelled_ = false;
};

}  // namespace fakequant
