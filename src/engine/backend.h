// llama.cpp's process-wide state: the back ends that compute, the log, and what happens when it aborts.
#pragma once

#include <functional>
#include <string>

namespace fakequant {

// Loads the back ends, once for the process, and silences llama.cpp's log. Throws an Error when no back end can be
// loaded. Everything in this folder calls it first.
//
// The BLAS back end is left out: with it, logits depend on the batch's size and on which BLAS the machine has.
void start_backends();

// Called when llama.cpp aborts, from whichever thread that happens on, with one line that says why: llama.cpp ends the
// process by abort() when the handler returns, so a handler that wants another end must end the process itself. Set
// before any model is loaded; without one, or with an empty one, llama.cpp prints its own message.
using AbortHandler = std::function<void(const std::string& message)>;
void set_engine_abort_handler(AbortHandler handler);

// The versions of the libraries: "llama 0.7.0, ggml 0.27.0".
std::string engine_version();

// The first error that llama.cpp logged on this thread since clear_engine_error(), as one line; empty when there was
// none.
std::string engine_error();
void clear_engine_error();

// What llama.cpp logs on all levels while `work` runs, which no other thread may log meanwhile.
std::string engine_log_of(const std::function<void()>& work);

}  // namespace fakequant
