// A request that is answered with an error: 4xx, in the shape that OpenAI's clients expect.
#pragma once

#include <string>

#include "error.h"

namespace fakequant {

struct Refusal : Error {
  Refusal(int http_status, const std::string& message, std::string what_code = {}, std::string what_field = {})
      : Error(message), status(http_status), code(std::move(what_code)), field(std::move(what_field)) {}

  int status;         // 400..499
  std::string code;   // a word for programs, "model_not_found"; empty for none
  std::string field;  // of the request that is wrong, "rules[2]"; empty where none is named
};

// Of a request that does not say what it should.
inline Refusal bad_request(const std::string& message) { return {400, message}; }

}  // namespace fakequant
