// The only exception type of fakequant.
//
// A message is one line for the user: what is wrong and, after a colon, what to do about it.
#pragma once

#include <fakequant/export.h>

#include <stdexcept>
#include <string>

namespace fakequant {

// What kind of failure it was.
enum class Failure : int {
  work = 1,       // the work failed: a file cannot be read, a model cannot be loaded
  usage = 2,      // an argument, a rule or a recipe is invalid, or names something that does not exist
  condition = 3,  // only of the program: the work was done, and a condition of --fail-if holds
};

// An error of any function.
class FAKEQUANT_API Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, Failure failure = Failure::work)
      : std::runtime_error(message), failure_(failure) {}

  Failure failure() const { return failure_; }

 private:
  Failure failure_;
};

}  // namespace fakequant
