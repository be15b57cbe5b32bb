#include "serve/request_queue.h"

#include <utility>

#include "serve/refusal.h"

namespace fakequant {

RequestQueue::RequestQueue(std::size_t most) : most_(most), thread_([this] { run(); }) {}

void RequestQueue::add(Turn turn) {
  {
    const std::lock_guard lock(mutex_);
    if (is_stopping_ || waiting_.size() + (is_busy_ ? 1 : 0) >= most_) {
      throw Refusal(429, "too many requests are waiting: try again later", "queue_full");
    }
    waiting_.push_back(std::move(turn));
  }
  changed_.notify_one();
}

std::size_t RequestQueue::size() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size() + (is_busy_ ? 1 : 0);
}

void RequestQueue::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  const std::lock_guard lock(mutex_);
  waiting_.clear();
}

void RequestQueue::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return is_stopping_ || !waiting_.empty(); });
    if (is_stopping_) return;
    auto turn = std::move(waiting_.front());
    waiting_.pop_front();
    is_busy_ = true;
    lock.unlock();
    const bool has_more = turn();
    lock.lock();
    is_busy_ = false;
    if (has_more) waiting_.push_back(std::move(turn));
  }
}

}  // namespace fakequant
