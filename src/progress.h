// The progress of long work.
#pragma once

#include <functional>

namespace fakequant {

// Called now and then with the fraction of the work that is done; never by two threads at once. May be empty.
using Progress = std::function<void(double done)>;

}  // namespace fakequant
