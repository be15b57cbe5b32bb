#include "version.h"

namespace fakequant {

std::string version() { return FAKEQUANT_VERSION; }

}  // namespace fakequant
