// The only exception type of fakequant.
//
// A message is one line for the user: what is wrong and, after a colon, what to do about it. The program catches errors
// once, in main(), prints the message and exits with the failure's number.
#pragma once

#include <stdexcept>
#include <string>

namespace fakequant {

enum class Failure : int {
  work = 1,       // the work failed: a file cannot be read, a model cannot be loaded
  usage = 2,      // an argument, a rule or a recipe is invalid, or names something that does not exist
  condition = 3,  // the work was done, and a condition of --fail-if holds
};

class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, Failure failure = Failure::work)
      : std::runtime_error(message), failure_(failure) {}

  Failure failure() const { return failure_; }

 private:
  Failure failure_;
};

inline Error usage_error(const std::string& message) { return Error(message, Failure::usage); }

// Returns work(), and puts "SUBJECT: " before the message of an Error that it throws.
template <typename Work>
auto about(const std::string& subject, const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    throw Error(subject + ": " + error.what(), error.failure());
  }
}

}  // namespace fakequant
