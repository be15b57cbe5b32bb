// The work of many clients on one thread, in turns: each request does one of its prompts, and then the next request has
// its turn.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace fakequant {

class RequestQueue {
 public:
  // Does the next part of a request; returns whether there is more. Must not throw.
  using Turn = std::function<bool()>;

  // Holds at most so many requests, the one whose turn it is included.
  explicit RequestQueue(std::size_t most);
  ~RequestQueue() { stop(); }
  RequestQueue(const RequestQueue&) = delete;
  RequestQueue& operator=(const RequestQueue&) = delete;

  // Throws a Refusal where the queue is full or stopped.
  void add(Turn turn);

  std::size_t size() const;

  // Waits for the turn that is being taken; what waits is dropped. Turns see is_stopping(), and should end early.
  void stop();
  bool is_stopping() const { return is_stopping_; }

 private:
  void run();

  std::size_t most_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Turn> waiting_;
  bool is_busy_ = false;
  std::atomic<bool> is_stopping_ = false;
  std::thread thread_;
};

}  // namespace fakequant
