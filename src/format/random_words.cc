#include "format/random_words.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "format/random_words.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef FAKEQUANT_PHILOX_CONSTANTS
#define FAKEQUANT_PHILOX_CONSTANTS
namespace fakequant {
namespace {
constexpr std::size_t kRounds = 7;
constexpr std::uint32_t kMultiplier0 = 0xD2511F53u, kMultiplier1 = 0xCD9E8D57u;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;
constexpr std::size_t kTile = 64, kCounters = 16;  // elements and counters that belong together
}  // namespace
}  // namespace fakequant
#endif

HWY_BEFORE_NAMESPACE();
namespace fakequant {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using U = hn::CappedTag<std::uint32_t, kCounters>;

#if HWY_TARGET == HWY_SCALAR
void fill_tiles(const RandomStream& stream, std::uint64_t first_tile, std::uint32_t* words, std::size_t tiles) {
  for (std::size_t i = 0; i < tiles * kTile; ++i) words[i] = random_word(stream, first_tile * kTile + i);
}
#else
// A word of a counter in each 64-bit lane. The upper halves may hold anything, because the multiplication reads only
// the lower ones.
using Wide = hn::RepartitionToWide<U>;
using WideWords = hn::Vec<Wide>;

// Writes the words of whole tiles, from two vectors of counters at a time, the even ones and the odd: one shift and one
// blend interleave their words.
void fill_tiles(const RandomStream& stream, std::uint64_t first_tile, std::uint32_t* words, std::size_t tiles) {
  const U u;
  const Wide wide;
  const auto multiplier0 = hn::Set(wide, kMultiplier0), multiplier1 = hn::Set(wide, kMultiplier1);
  const auto multiply = [&](WideWords a, WideWords b) { return hn::MulEven(hn::BitCast(u, a), hn::BitCast(u, b)); };
  const auto even = hn::ShiftLeft<1>(hn::Iota(wide, 0));
  std::array<std::uint64_t, kRounds> keys0{}, keys1{};
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    keys0[round] = static_cast<std::uint32_t>(stream.key) + round * kWeyl0;
    keys1[round] = static_cast<std::uint32_t>(stream.key >> 32) + round * kWeyl1;
  }
  for (std::size_t tile = 0; tile < tiles; ++tile) {
    const std::uint64_t counter = (first_tile + tile) * kCounters;
    for (std::size_t lane = 0; lane < kCounters; lane += hn::Lanes(u)) {
      WideWords c0[2], c1[2], c2[2], c3[2];
      for (std::size_t k = 0; k < 2; ++k) {
        // 16 counters from a multiple of 16 never carry into the upper half.
        c0[k] = hn::Add(hn::Set(wide, counter + lane + k), even);
        c1[k] = hn::Set(wide, counter >> 32);
        c2[k] = hn::Set(wide, stream.row);
        c3[k] = hn::Set(wide, stream.row >> 32);
      }
      HWY_UNROLL(7)
      for (std::size_t round = 0; round < kRounds; ++round) {
        HWY_UNROLL(2)
        for (std::size_t k = 0; k < 2; ++k) {
          const auto product0 = multiply(c0[k], multiplier0), product1 = multiply(c2[k], multiplier1);
          c0[k] = hn::Xor(hn::Xor(hn::ShiftRight<32>(product1), c1[k]), hn::Set(wide, keys0[round]));
          c2[k] = hn::Xor(hn::Xor(hn::ShiftRight<32>(product0), c3[k]), hn::Set(wide, keys1[round]));
          c1[k] = product1;
          c3[k] = product0;
        }
      }
      const auto store = [&](const WideWords(&counters)[2], std::size_t word) {
        const auto both = hn::OddEven(hn::BitCast(u, hn::ShiftLeft<32>(counters[1])), hn::BitCast(u, counters[0]));
        hn::StoreU(both, u, words + tile * kTile + word * kCounters + lane);
      };
      store(c0, 0);
      store(c1, 1);
      store(c2, 2);
      store(c3, 3);
    }
  }
}
#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fakequant {
namespace {
HWY_EXPORT(fill_tiles);

// The finalizer of SplitMix64 (Steele et al., 2014): every bit of the input moves about half of the output's.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

}  // namespace

std::uint64_t random_key(std::uint64_t seed, std::string_view site) {
  std::uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a
  for (const char c : site) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return mix(mix(seed) ^ hash);
}

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::uint64_t key) {
  auto key0 = static_cast<std::uint32_t>(key), key1 = static_cast<std::uint32_t>(key >> 32);
  for (std::size_t round = 0; round < kRounds; ++round) {
    const std::uint64_t product0 = std::uint64_t{counter[0]} * kMultiplier0;
    const std::uint64_t product1 = std::uint64_t{counter[2]} * kMultiplier1;
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key0, static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key1, static_cast<std::uint32_t>(product0)};
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  return counter;
}

std::uint32_t random_word(const RandomStream& stream, std::uint64_t i) {
  const std::uint64_t counter = i / kTile * kCounters + i % kCounters;
  return philox({static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32),
                 static_cast<std::uint32_t>(stream.row), static_cast<std::uint32_t>(stream.row >> 32)},
                stream.key)[i / kCounters % 4];
}

void fill_random_words(const RandomStream& stream, std::uint64_t first, std::span<std::uint32_t> words) {
  // Whole tiles are written directly, tiles that are cut by the ends through a buffer.
  while (!words.empty()) {
    const std::size_t skip = first % kTile;
    if (skip == 0 && words.size() >= kTile) {
      const std::size_t tiles = words.size() / kTile;
      HWY_DYNAMIC_DISPATCH(fill_tiles)(stream, first / kTile, words.data(), tiles);
      first += tiles * kTile;
      words = words.subspan(tiles * kTile);
      continue;
    }
    std::array<std::uint32_t, kTile> tile;
    HWY_DYNAMIC_DISPATCH(fill_tiles)(stream, first / kTile, tile.data(), 1);
    const std::size_t count = std::min(words.size(), kTile - skip);
    std::copy_n(tile.begin() + static_cast<std::ptrdiff_t>(skip), count, words.begin());
    first += count;
    words = words.subspan(count);
  }
}

}  // namespace fakequant
#endif
