// The one exception of fakequant.
//
// A message is written for the person at the terminal: one line that says what is wrong and, after a colon, what to do.
// It is thrown where the fault is found and caught once, in main(), which prints it and leaves with the exit code.
#pragma once

#include <stdexcept>
#include <string>

namespace fakequant {

enum class Failure : int {
  work = 1,   // the work failed: a file that cannot be read, a model that cannot be loaded
  usage = 2,  // the command line, a rule or a recipe asks for what does not exist
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

// Returns work(). What an Error from it says is then said about `subject`: "SUBJECT: MESSAGE".
template <typename Work>
auto about(const std::string& subject, const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    throw Error(subject + ": " + error.what(), error.failure());
  }
}

}  // namespace fakequant
