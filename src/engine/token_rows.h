// Which values of an activation belong to which token.
//
// llama.cpp's nodes are arrays of up to four dimensions, and one of them, seldom the same, counts the tokens: columns x
// tokens, head x heads x tokens, keys x tokens x heads, or tokens x channels where it was transposed. It is the
// dimension that is 1 when one token is evaluated, and their number when more are. In the last layer it may count the
// tokens whose logits are wanted instead.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace fakequant {

using NodeShape = std::array<std::int64_t, 4>;  // ne[0] first

// The tokens that go through the graph together. A place is the number of the sequence in the upper half, and the
// position in it in the lower.
struct TokenBatch {
  std::vector<std::uint64_t> places;
  std::vector<std::uint64_t> output_places;  // of those whose logits are wanted
};

// How the values of a node that lie together, one row after the other, divide into tokens: token t has `outer` runs of
// `inner` values, the first at t x inner, the others each `tokens` x inner further.
struct TokenLayout {
  std::int64_t inner = 0;
  std::int64_t tokens = 1;
  std::int64_t outer = 1;
  std::int64_t row = 0;               // values in a row of a token's, one run after the other
  std::vector<std::uint64_t> places;  // of each token
  bool is_by_token = true;            // false where the values are those of all tokens together
};

// A node that no token can be told apart in (it was computed for all of them, as a recurrent state is, or holds values
// of tokens before as well) counts as one token's, at place 0.
TokenLayout token_layout(const NodeShape& shape, const NodeShape& shape_for_one_token, const TokenBatch& batch);

}  // namespace fakequant
