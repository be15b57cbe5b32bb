// How far long work has come, for whoever wants to show it.
#pragma once

#include <functional>

namespace fakequant {

// Told now and then how much of the work is done, in 0..1; never by two threads at once. May be empty.
using Progress = std::function<void(double done)>;

}  // namespace fakequant
