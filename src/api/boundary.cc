#include "api/boundary.h"

#include <fakequant/fakequant.hpp>
#include <mutex>

#include "format/ggml_types.h"
#include "version.h"

namespace fakequant::v0 {

void know_ggml_types() {
  static std::once_flag once;
  std::call_once(once, register_ggml_types);
}

std::string version() { return fakequant::version(); }

}  // namespace fakequant::v0
