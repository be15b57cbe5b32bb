// A buffer whose elements are not set when it is made: for bytes and numbers that are written at once.
//
// Zeros that are overwritten a moment later cost a pass over memory, which shows where a model is read at its speed.
#pragma once

#include <memory>
#include <utility>
#include <vector>

namespace fakequant {

// Constructs elements without setting them.
template <typename T>
struct UnsetAllocator : std::allocator<T> {
  template <typename U>
  struct rebind {
    using other = UnsetAllocator<U>;
  };

  template <typename U>
  void construct(U* place) noexcept {
    ::new (static_cast<void*>(place)) U;
  }
  template <typename U, typename... Arguments>
  void construct(U* place, Arguments&&... arguments) {
    ::new (static_cast<void*>(place)) U(std::forward<Arguments>(arguments)...);
  }
};

template <typename T>
using Buffer = std::vector<T, UnsetAllocator<T>>;

}  // namespace fakequant
