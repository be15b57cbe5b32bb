// A server that lets other programs use a model and its variants: OpenAI's API, as far as harnesses use it, over HTTP.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/compute_options.h"
#include "gguf/gguf_model.h"
#include "measure/variant.h"
#include "serve/http_server.h"
#include "weights/apply.h"

namespace fakequant {

struct ServeOptions {
  HttpOptions http;
  int ctx_size = 0;  // tokens; 0: min(2048, what the model was trained for)
  ComputeOptions compute;
  ApplySettings storage;                // of weights that the playground rounds
  std::function<void(int port)> ready;  // told when requests are answered
  std::function<bool()> is_stopped;     // asked now and then: whether to end
};

// Serves until it is stopped. Throws a usage error for a host that is not this machine's alone without a key, and an
// Error where a model cannot be run or the port cannot be had.
void serve(const GgufModel& model, const std::vector<Variant>& variants, const ServeOptions& options);

}  // namespace fakequant
