// llama.cpp's process-wide state: the back ends that compute, the log, and what happens when it aborts.
#pragma once

#include <string>

namespace fakequant {

// Loads the back ends, once for the process, silences llama.cpp's log, and makes an abort inside llama.cpp one line on
// stderr and exit code 1. Throws an Error when no back end can be loaded. Everything in this folder calls it first.
//
// The BLAS back end is left out: with it, logits depend on the batch's size and on which BLAS the machine has.
void start_backends();

// The versions of the libraries: "llama 0.7.0, ggml 0.27.0".
std::string engine_version();

// The first error that llama.cpp logged since clear_engine_error(), as one line; empty when there was none.
std::string engine_error();
void clear_engine_error();

}  // namespace fakequant
