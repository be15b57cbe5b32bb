// A name in lower case, such as that of a type: ggml calls Q4_K what rules call q4_k. Letters of ASCII only.
#pragma once

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

namespace fakequant {

inline std::string lower_case(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

}  // namespace fakequant
