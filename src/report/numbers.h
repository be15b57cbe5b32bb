// Numbers as text for readers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "measure/eval_result.h"

namespace fakequant {

std::string count_text(std::int64_t count);                      // 1,234,567
std::string percent_text(double fraction);                       // 90.625 %
std::string shape_text(const std::vector<std::int64_t>& shape);  // 256x1024
std::string relative_text(double ratio);                         // 0.74 %, 100 %
std::string bytes_text(std::uint64_t bytes);                     // 7.6 MB
std::string duration_text(double seconds);                       // 12 s; 5 min; 1 h 5 min
std::string value_text(double value);                            // four significant digits; "-" where not finite
std::string estimate_text(const Estimate& estimate);       // 1.636500 ± 0.011140: to the third digit of the error
std::string layer_ranges(const std::vector<int>& layers);  // 0-5,7: of layers in ascending order
std::string plural(std::int64_t count, const std::string& noun);  // "1 tensor", "13 tensors"

}  // namespace fakequant
