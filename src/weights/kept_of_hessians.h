// Values that are made of the Hessians of a file: of weights that read the same input they are made once.
//
// Such a value can be as large as the Hessian, so the last few are kept, and others are made when they are wanted.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "weights/hessian_file.h"

namespace fakequant {

template <typename Value>
class KeptOfHessians {
 public:
  // The value for one of the matrices of a weight that the file has: a kept one, or what `make` returns for the lower
  // triangle of its Hessian. `owner`: whose the value is, where it is not that of all weights that read the input.
  // Thread-safe. Throws as HessianFile::triangle() and `make` do.
  template <typename Make>
  std::shared_ptr<const Value> of(const HessianFile& file, const TensorInfo& weight, std::int64_t matrix,
                                  const Make& make, const std::string& owner = {}) {
    const auto& input = *file.input_of(weight);
    const Key key = {owner.empty() ? input : owner, matrix};
    // Others wait for a value that is made: most want the same.
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const auto& kept) { return kept.first == key; });
    if (found != kept_.end()) {
      kept_.splice(kept_.begin(), kept_, found);
      return found->second;
    }
    auto value = std::make_shared<const Value>(make(file.triangle(input, matrix)));
    if (kept_.size() == kKept) kept_.pop_back();
    kept_.emplace_front(key, value);
    return value;
  }

 private:
  static constexpr std::size_t kKept = 3;
  using Key = std::pair<std::string, std::int64_t>;  // the input or the owner, and the matrix

  std::mutex mutex_;
  std::list<std::pair<Key, std::shared_ptr<const Value>>> kept_;  // the last used first
};

}  // namespace fakequant
