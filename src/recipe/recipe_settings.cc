#include "recipe/recipe_settings.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace fakequant {

std::string attention_text(const RecipeSettings& settings) {
  std::string text;
  for (const auto& [key, value] :
       {std::pair<std::string_view, const std::string&>{"cache_type_k", settings.cache_type_k},
        {"cache_type_v", settings.cache_type_v},
        {"flash_attn", settings.flash_attn}}) {
    if (!value.empty()) text += fmt::format("{}{}={}", text.empty() ? "" : " ", key, value);
  }
  return text;
}

}  // namespace fakequant
