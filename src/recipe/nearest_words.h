// What somebody who wrote a word that does not exist may have meant.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace fakequant {

// The words most like `word`, best first, at most four: those that the fewest letters added, left out or replaced lead
// to.
std::vector<std::string> nearest_words(std::string_view word, const std::set<std::string>& words);

}  // namespace fakequant
