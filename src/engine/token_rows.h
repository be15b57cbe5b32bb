// Which values of an activation belong to which token.
//
// llama.cpp's nodes are arrays of up to four dimensions, and one of them, which differs from node to node, counts the
// tokens: columns x tokens, head x heads x tokens, keys x tokens x heads, or tokens x channels where it was transposed.
// It is the dimension that is 2 in the graph of two tokens and 3 in that of three. Where it is merged with another, a
// reshaped view may show it. In the last layer it may count the tokens whose logits are wanted instead.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace fakequant {

using NodeShape = std::array<std::int64_t, 4>;  // ne[0] first

std::int64_t elements_of(const NodeShape& shape);

struct TokenDimension {
  enum Kind {
    found,  // `index` counts the tokens
    none,   // the values are those of no token, as a recurrent state's are
    mixed,  // the values of several tokens cannot be told apart
  } kind = mixed;
  std::size_t index = 0;
  bool is_of_view = false;  // `index` is that of a view,
  NodeShape view{};         // which has this shape for one token
};

// `two` and `three` are the shapes of a node in the graphs of as many tokens: its own, and those of the views that
// reshape it, in the same order.
TokenDimension find_token_dimension(const std::vector<NodeShape>& two, const std::vector<NodeShape>& three);

// The tokens that go through the graph together. A position here has the number of the sequence in its upper 32 bits
// and the position in that sequence in the lower.
struct TokenBatch {
  std::vector<std::uint64_t> positions;
  std::vector<std::uint64_t> output_positions;  // of those whose logits are wanted
  std::vector<std::int32_t> tokens{};           // which they are
};

// The position in the sequence alone.
inline std::int64_t position_in_text(std::uint64_t position) { return static_cast<std::uint32_t>(position); }

// How the values of a node, contiguous and row by row, divide into tokens: token t has `outer` runs of
// `inner` values, the first at t x inner, the others each `tokens` x inner further.
struct TokenLayout {
  std::int64_t inner = 0;
  std::int64_t tokens = 1;
  std::int64_t outer = 1;
  std::int64_t row = 0;                  // values in a row of a token's, one run after the other
  std::vector<std::uint64_t> positions;  // of each token
};

// `shape` is the node's. Values that belong to no token count as one token's, at position 0, and so do all values of a
// node in which tokens cannot be told apart. Throws an Error when the dimension counts neither the batch's tokens nor
// those whose logits are wanted.
TokenLayout token_layout(const NodeShape& shape, const TokenDimension& dimension, const TokenBatch& batch);

}  // namespace fakequant
