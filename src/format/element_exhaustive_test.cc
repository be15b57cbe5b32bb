// Every float32, for each named element and each rounding, through the kernels of this machine's best instruction set,
// and every eighth run of 2^21 of them through those of its others. For eXmY and mantissaN every code, every midpoint
// and the neighbours of each.
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "format/element_kernel.h"
#include "format/on_every_target.h"
#include "format/reference.h"
#include "format/test_values.h"
#include "parallel.h"

namespace fakequant {
namespace {

constexpr int kThreads = 2;
constexpr std::size_t kPiece = std::size_t{1} << 15;
constexpr std::size_t kPieces = 64;
constexpr std::uint64_t kTogether = kPiece * kPieces;

// Magnitudes and their negatives, what the reference makes of them, and whether that is as the rounding promises.
struct Piece {
  std::vector<float> expected = std::vector<float>(kPiece), expected_negative = std::vector<float>(kPiece);
  std::vector<float> rounded = std::vector<float>(kPiece);
  std::int64_t saturated = 0, saturated_negative = 0;
  bool keeps_promises = true;
};

float value_of(std::uint64_t bits) { return from_bits(static_cast<std::uint32_t>(bits)); }

// Monotonic, odd, and on the right side: between neighbouring floats, and so between all.
template <Rounding rounding>
bool keeps_promises(const Element& element, std::uint64_t first, const Piece& piece) {
  bool broken = false;
  for (std::size_t i = 0; i < kPiece; ++i) {
    const float x = value_of(first + i), y = piece.expected[i], mirrored = piece.expected_negative[i];
    const bool in_range = static_cast<double>(x) <= element.largest;
    if (i > 0) broken |= piece.expected[i] < piece.expected[i - 1];
    if (i > 0) broken |= piece.expected_negative[i] > piece.expected_negative[i - 1];
    if (rounding == Rounding::nearest || rounding == Rounding::away) broken |= mirrored != -y && y == y;
    if (rounding == Rounding::zero) broken |= (mirrored != -y && y == y) || y > x;
    if (rounding == Rounding::up) broken |= in_range && (y < x || mirrored < -x);
    if (rounding == Rounding::down) broken |= in_range && (y > x || mirrored > -x);
  }
  return !broken;
}

template <Rounding rounding>
void find_expected(const Element& element, std::uint64_t first, const std::vector<std::uint32_t>& words, Piece& piece) {
  piece.saturated = piece.saturated_negative = 0;
  for (std::size_t i = 0; i < kPiece; ++i) {
    const auto positive = round_reference(element, rounding, false, value_of(first + i), words[i]);
    const auto negative = round_reference(element, rounding, false, value_of(first + i + 0x80000000u), words[i]);
    piece.expected[i] = positive.value;
    piece.expected_negative[i] = negative.value;
    piece.saturated += positive.saturated;
    piece.saturated_negative += negative.saturated;
  }
  piece.keeps_promises = rounding == Rounding::stochastic || keeps_promises<rounding>(element, first, piece);
}

// The first bits from `first` on for which a kernel differs from what is expected; none if none.
std::optional<std::uint64_t> first_difference(const Element& element, Rounding rounding, std::uint64_t first,
                                              const std::uint32_t* random, const std::vector<float>& expected,
                                              std::int64_t saturated, std::vector<float>& rounded) {
  for (std::size_t i = 0; i < kPiece; ++i) rounded[i] = value_of(first + i);
  const auto count = round_to_element(element, rounding, false, rounded, random);
  const bool alike = std::memcmp(rounded.data(), expected.data(), kPiece * sizeof(float)) == 0;
  if (alike && count == saturated) return std::nullopt;
  for (std::size_t i = 0; i < kPiece; ++i) {
    if (!same(rounded[i], expected[i])) return first + i;
  }
  if (count != saturated) return first + kPiece;
  return std::nullopt;
}

template <Rounding rounding>
void try_every_float(const Element& element) {
  const auto words = random_words_for_test(kPiece, 1);
  const auto* random = rounding == Rounding::stochastic ? words.data() : nullptr;
  std::vector<Piece> pieces(kPieces);
  for (std::uint64_t begin = 0; begin < std::uint64_t{1} << 31; begin += kTogether) {
    parallel_for(kPieces, kThreads, [&](std::int64_t p) {
      const auto i = static_cast<std::size_t>(p);
      find_expected<rounding>(element, begin + i * kPiece, words, pieces[i]);
    });
    for (const auto& piece : pieces) {
      ASSERT_TRUE(piece.keeps_promises) << to_string(rounding) << " near bits " << std::hex << begin;
    }
    const auto check = [&] {
      std::vector<std::optional<std::uint64_t>> wrong(kPieces);
      parallel_for(kPieces, kThreads, [&](std::int64_t p) {
        const auto i = static_cast<std::size_t>(p);
        auto& piece = pieces[i];
        const std::uint64_t first = begin + i * kPiece;
        wrong[i] = first_difference(element, rounding, first, random, piece.expected, piece.saturated, piece.rounded);
        if (wrong[i]) return;
        wrong[i] = first_difference(element, rounding, first + 0x80000000u, random, piece.expected_negative,
                                    piece.saturated_negative, piece.rounded);
      });
      for (const auto& bits : wrong) ASSERT_FALSE(bits) << to_string(rounding) << ": bits " << std::hex << *bits;
    };
    check();
    if (begin / kTogether % 8 == 0) on_every_target(check);
  }
}

class EveryFloat : public testing::TestWithParam<Element> {};

TEST_P(EveryFloat, RoundedToNearest) { try_every_float<Rounding::nearest>(GetParam()); }
TEST_P(EveryFloat, RoundedAway) { try_every_float<Rounding::away>(GetParam()); }
TEST_P(EveryFloat, RoundedToZero) { try_every_float<Rounding::zero>(GetParam()); }
TEST_P(EveryFloat, RoundedUp) { try_every_float<Rounding::up>(GetParam()); }
TEST_P(EveryFloat, RoundedDown) { try_every_float<Rounding::down>(GetParam()); }
TEST_P(EveryFloat, RoundedAtRandom) { try_every_float<Rounding::stochastic>(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Elements, EveryFloat, testing::ValuesIn(named_elements()),
                         [](const auto& info) { return info.param.name; });

// They are bf16 and tf32 under other names, which are tried above.
TEST(Mantissa, IsTheNamedElementOfItsBits) {
  for (const auto& [name, twin] : {std::pair("mantissa7", "bf16"), std::pair("mantissa10", "tf32")}) {
    auto element = *element_of(name);
    element.name = twin;
    element.source = element_of(twin)->source;
    EXPECT_EQ(element, *element_of(twin));
  }
}

// A piece of the floats that are tried: every one of them, or those about the codes and midpoints of an element with
// float32's own exponents, whose codes are the floats' upper bits.
std::vector<float> floats_about_codes(std::uint64_t first_code, std::uint64_t step) {
  std::vector<float> values;
  for (std::uint64_t code = first_code; code < first_code + kPiece / 8; ++code) {
    for (const std::uint64_t at : {code * step, code * step + step / 2}) {
      for (const std::uint64_t bits : {at - 1, at, at + 1}) values.push_back(value_of(bits));
    }
  }
  return values;
}

std::vector<float> every_float(std::uint64_t first) {
  std::vector<float> values(kPiece);
  for (std::size_t i = 0; i < kPiece; ++i) values[i] = value_of(first + i);
  return values;
}

// How many of the values a kernel rounds otherwise than the reference.
std::int64_t differences(const Element& element, Rounding rounding, const std::vector<float>& values) {
  static const auto words = random_words_for_test(std::size_t{1} << 20, 2);
  auto rounded = values;
  const auto* random = rounding == Rounding::stochastic ? words.data() : nullptr;
  round_to_element(element, rounding, false, rounded, random);
  std::int64_t wrong = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    wrong += !same(rounded[i], round_reference(element, rounding, false, values[i], words[i]).value);
  }
  return wrong;
}

// eXmY and mantissaN: every code, every midpoint between two and the neighbours of each.
TEST(EveryOpenElement, EqualsTheReferenceAboutEveryCode) {
  for (int x = 2; x <= 7; ++x) {
    for (int y = 1; y <= 10; ++y) {
      const auto element = *element_of("e" + std::to_string(x) + "m" + std::to_string(y));
      const auto values = edges_of(element);
      for (const auto rounding : kRoundings) ASSERT_EQ(differences(element, rounding, values), 0) << element.name;
    }
  }
  std::vector<std::string> names;
  for (int y = 1; y <= 10; ++y) names.push_back("e8m" + std::to_string(y));
  for (int n = 0; n <= 22; ++n) names.push_back("mantissa" + std::to_string(n));
  for (const auto& name : names) {
    const auto element = *element_of(name);
    const std::uint64_t step = std::uint64_t{1} << (23 - element.mantissa_bits);
    const bool every = step <= 8;  // then what is about the codes is every float there is
    const std::uint64_t together = every ? kPiece : kPiece / 8;
    for (const auto rounding : kRoundings) {
      // Of the widest the negative half only where it is not rounded as the other is: the reference takes its time.
      const bool halves = every && rounding != Rounding::up && rounding != Rounding::down;
      const std::uint64_t floats = std::uint64_t{1} << (halves ? 31 : 32);
      std::vector<std::int64_t> wrong(std::max<std::uint64_t>(floats / (every ? 1 : step) / together, 1));
      parallel_for(static_cast<std::int64_t>(wrong.size()), kThreads, [&](std::int64_t piece) {
        const auto first = static_cast<std::uint64_t>(piece) * together;
        wrong[static_cast<std::size_t>(piece)] =
            differences(element, rounding, every ? every_float(first) : floats_about_codes(first, step));
      });
      for (const auto count : wrong) ASSERT_EQ(count, 0) << name << ", " << to_string(rounding);
    }
  }
}

}  // namespace
}  // namespace fakequant
