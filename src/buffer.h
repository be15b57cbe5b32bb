// A vector that leaves its elements uninitialized, for bytes and numbers that are overwritten at once.
//
// Zeroing them first would cost another pass over memory, and models are read at memory speed.
#pragma once

#include <memory>
#include <utility>
#include <vector>

namespace fakequant {

// Default-constructs elements without initializing them.
template <typename T>
struct UninitializedAllocator : std::allocator<T> {
  template <typename U>
  struct rebind {
    using other = UninitializedAllocator<U>;
  };

  template <typename U>
  void construct(U* address) noexcept {
    ::new (static_cast<void*>(address)) U;
  }
  template <typename U, typename... Arguments>
  void construct(U* address, Arguments&&... arguments) {
    ::new (static_cast<void*>(address)) U(std::forward<Arguments>(arguments)...);
  }
};

template <typename T>
using Buffer = std::vector<T, UninitializedAllocator<T>>;

}  // namespace fakequant
