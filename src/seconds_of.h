// How long some work takes.
#pragma once

#include <chrono>

namespace fakequant {

// Calls work(); the seconds that passed meanwhile.
template <typename Work>
double seconds_of(const Work& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace fakequant
