// nlohmann's JSON, with its checks on in every build.
//
// Reading a field that an object lacks is undefined behaviour in nlohmann's constant operator[], and its assertion
// against it is off in optimized builds. Here it throws, so that such a fault is one line for the user and no crash.
// All sources include this header and none includes nlohmann's: the check is the same in all of them.
#pragma once

#include <string>

#include "error.h"

namespace fakequant {

[[noreturn]] inline void fail_json_check(const char* condition) {
  throw Error(std::string("a fault of fakequant: JSON was read wrongly: ") + condition);
}

}  // namespace fakequant

#ifdef NLOHMANN_JSON_VERSION_MAJOR
#error "include json.h, and not nlohmann/json.hpp"
#endif
#ifndef __clang_analyzer__  // which would take every destructor of a JSON value to throw
#define JSON_ASSERT(condition) (static_cast<bool>(condition) ? void() : fakequant::fail_json_check(#condition))
#endif
#include <nlohmann/json.hpp>
