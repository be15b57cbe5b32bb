// Rotations: an orthonormal matrix that the values of a row are multiplied by before they are rounded, and whose
// inverse they are multiplied by afterwards. Outliers spread over the values of a block, so that a shared scale fits
// them better.
//
// The matrix is Sylvester's Hadamard matrix of N rows, divided by the root of N: H_1 = (1), H_2N = (H_N H_N; H_N -H_N).
// It is its own inverse. With random signs s, the values are multiplied by s first, and by s last on the way back: H
// diag(s), the randomized Hadamard matrix of QuIP# and QuaRot (Tseng et al., arXiv 2402.04396; Ashkboos et al., arXiv
// 2404.00456). Blocks of N values of a row are rotated one by one.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace fakequant {

struct Rotation {
  enum Kind { none, hadamard, random } kind = none;
  std::int64_t block = 0;  // values, a power of two; 0: the largest that divides the row
  std::uint64_t seed = 0;  // of random signs

  bool operator==(const Rotation&) const = default;
};

inline constexpr std::int64_t kLargestRotation = std::int64_t{1} << 24;  // as block; its root is exact in float32

enum class Turn { forward, back };

// The number of values that are rotated together in rows of this length.
std::int64_t rotated_block(const Rotation& rotation, std::int64_t row);

// Why rows of this length cannot be rotated. Empty if they can, or if there is no rotation.
std::string rotation_misfit(const Rotation& rotation, std::int64_t row);

// The signs of the first `columns` columns: column j is negated where bit j % 32 of word j / 32 is set. The words are
// those of the stream of the seed (format/random_words.h), the same for every row and every site.
void fill_signs(const Rotation& rotation, std::span<std::uint32_t> words);

// The definition, for one block in place. `column` is the block's first column, `signs` the words of all columns or
// null. In float32: for h = 1, 2, 4 ... N/2, values i and i + h, where i has no bit h, become their sum and their
// difference; then every value is multiplied by float32(1 / sqrt(N)). A block in which a value is then not finite
// becomes NaN: a rotation mixes NaN and infinity into all of its values.
void rotate_block_reference(std::span<float> block, Turn turn, std::size_t column, const std::uint32_t* signs);

// Rotates rows in place by vector instructions, to the same bits. `values` are whole rows that have no misfit.
void rotate_rows(const Rotation& rotation, Turn turn, std::span<float> values, std::int64_t row);

}  // namespace fakequant
