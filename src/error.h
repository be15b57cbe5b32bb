// Throwing the only exception type of fakequant, which programs that use the library see, too.
//
// The program catches errors once, in main(), prints the message and exits with the failure's number.
#pragma once

#include <fakequant/error.hpp>
#include <string>

namespace fakequant {

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
