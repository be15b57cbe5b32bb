#include "format/kernel_targets.h"

#include <fmt/format.h>
#include <hwy/targets.h>

#include <string>

#include "error.h"

namespace fakequant {

void limit_kernels(std::string_view highest) {
  std::string names;
  for (const auto target : hwy::SupportedAndGeneratedTargets()) {
    const std::string_view name = hwy::TargetName(target);
    if (name == highest) {
      hwy::DisableTargets(target - 1);  // a better target is a lower bit
      return;
    }
    names += fmt::format(" {}", name);
  }
  throw usage_error(fmt::format("FAKEQUANT_HIGHEST_TARGET={}: the targets on this processor are{}", highest, names));
}

}  // namespace fakequant
