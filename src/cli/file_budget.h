// --size, --bpw and --max-kld: how large a planned file may be, or how much it may lose.
#pragma once

#include <optional>
#include <string>

#include "plan/plan.h"

namespace fakequant {

// Of the texts of both options; none where both are empty. Throws a usage error for both, and for a text that is
// invalid.
std::optional<FileBudget> file_budget(const std::string& size, const std::string& bits_per_weight,
                                      const std::string& model);

// Of the text of --max-kld; none where it is empty. Throws a usage error for a text that is invalid.
std::optional<double> parse_max_kld(const std::string& text);

}  // namespace fakequant
