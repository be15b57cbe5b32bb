// What each function of the C++ interface does around its work, so that an Error is all that leaves it.
#pragma once

#include <exception>
#include <new>

#include "error.h"

namespace fakequant::v0 {

// Makes ggml's types known as formats, once for the process.
void know_ggml_types();

// Returns work().
template <typename Work>
auto at_boundary(const Work& work) {
  try {
    know_ggml_types();
    return work();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw Error("not enough memory");
  } catch (const std::exception& error) {
    throw Error(error.what());
  }
}

}  // namespace fakequant::v0
