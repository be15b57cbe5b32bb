#include "recipe/nearest_words.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace fakequant {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const auto replace = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replace, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::vector<std::string> nearest_words(std::string_view word, const std::set<std::string>& words) {
  constexpr std::size_t kMaxWords = 4;
  std::vector<std::pair<std::size_t, std::string>> order;
  for (const auto& candidate : words) order.emplace_back(edit_distance(word, candidate), candidate);
  std::sort(order.begin(), order.end());
  std::vector<std::string> nearest;
  for (std::size_t i = 0; i < std::min(kMaxWords, order.size()); ++i) nearest.push_back(order[i].second);
  return nearest;
}

}  // namespace fakequant
