// Suggestions for an unknown word.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace fakequant {

// The words of the smallest edit distance to `word`, nearest first; at most four.
std::vector<std::string> nearest_words(std::string_view word, const std::set<std::string>& words);

}  // namespace fakequant
