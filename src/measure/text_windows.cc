#include "measure/text_windows.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <system_error>

namespace fakequant {
namespace {

constexpr std::size_t kDigits = 8;

// SplitMix64 (Steele et al., Fast splittable pseudorandom number generators, 2014).
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

// The hashes of a sample; none for what is no sample.
std::vector<std::uint32_t> hashes_of(std::string_view sample) {
  std::vector<std::uint32_t> hashes;
  if (sample.size() % kDigits != 0) return {};
  for (std::size_t begin = 0; begin < sample.size(); begin += kDigits) {
    const auto digits = sample.substr(begin, kDigits);
    std::uint32_t hash = 0;
    const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), hash, 16);
    if (fault != std::errc() || end != digits.data() + digits.size()) return {};
    hashes.push_back(hash);
  }
  return std::is_sorted(hashes.begin(), hashes.end()) ? hashes : std::vector<std::uint32_t>();
}

}  // namespace

void TextWindows::add(std::span<const Token> chunk) {
  for (std::size_t begin = 1; begin + kTokens <= chunk.size(); ++begin) {
    std::uint64_t hash = 0;
    for (const auto token : chunk.subspan(begin, kTokens)) hash = mixed(hash ^ static_cast<std::uint32_t>(token));
    hashes_.push_back(static_cast<std::uint32_t>(hash >> 32));
  }
}

std::string TextWindows::sample() const {
  auto kept = hashes_;
  std::sort(kept.begin(), kept.end());
  kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
  kept.resize(std::min(kept.size(), kKept));
  std::string text;
  for (const auto hash : kept) text += fmt::format("{:08x}", hash);
  return text;
}

std::optional<double> TextWindows::share_in(std::string_view sample) const {
  const auto known = hashes_of(sample);
  if (known.empty()) return std::nullopt;
  // A sample that is not full has all windows of its text.
  const auto last = known.size() < kKept ? std::numeric_limits<std::uint32_t>::max() : known.back();
  std::int64_t looked_for = 0, found = 0;
  for (const auto hash : hashes_) {
    if (hash > last) continue;
    ++looked_for;
    found += std::binary_search(known.begin(), known.end(), hash) ? 1 : 0;
  }
  if (looked_for == 0) return std::nullopt;
  return static_cast<double>(found) / static_cast<double>(looked_for);
}

}  // namespace fakequant
