// What the server replies to a request, whatever carries it.
#pragma once

#include <memory>
#include <string>

#include "serve/answer.h"

namespace fakequant {

struct Reply {
  int status = 200;
  std::string type = "application/json";
  std::string body = {};
  std::shared_ptr<Answer> answer = {};  // what follows it piece by piece; null: nothing
};

}  // namespace fakequant
