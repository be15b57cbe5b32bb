#include "gguf/tensor_pieces.h"

#include <gtest/gtest.h>

namespace fakequant {
namespace {

TensorInfo tensor_of(const std::vector<std::int64_t>& shape) {
  TensorInfo info;
  info.shape = shape;
  info.elements = 1;
  for (const auto length : shape) info.elements *= length;
  return info;
}

TEST(TensorPieces, CoverEveryTensorOnceInOrder) {
  const std::vector<TensorInfo> tensors = {tensor_of({3}),       tensor_of({0}),    tensor_of({70000, 3}),
                                           tensor_of({1 << 16}), tensor_of({5, 0}), tensor_of({256, 1000})};
  for (const auto cut : {PieceCut::anywhere, PieceCut::rows}) {
    TensorPieces pieces;
    for (std::size_t t = 0; t < tensors.size(); ++t) pieces.add(t, tensors[t], cut);
    std::vector<std::int64_t> covered(tensors.size());
    std::size_t last = 0;
    for (std::int64_t i = 0; i < pieces.size(); ++i) {
      const auto piece = pieces[i];
      EXPECT_GE(piece.tensor, last);
      last = piece.tensor;
      EXPECT_EQ(piece.first_element, covered[piece.tensor]);
      EXPECT_GT(piece.elements, 0);
      covered[piece.tensor] += piece.elements;
      if (cut == PieceCut::rows) {
        EXPECT_EQ(piece.elements % row_elements(tensors[piece.tensor]), 0);
      } else {
        EXPECT_EQ(piece.first_element % 256, 0);
        EXPECT_LE(piece.elements, 1 << 16);
      }
    }
    for (std::size_t t = 0; t < tensors.size(); ++t) EXPECT_EQ(covered[t], tensors[t].elements);
  }
}

TEST(TensorPieces, AreAsLongAsWanted) {
  TensorPieces pieces(4 * kPieceElements);
  pieces.add(0, tensor_of({5 * kPieceElements}));
  ASSERT_EQ(pieces.size(), 2);
  EXPECT_EQ(pieces[0].elements, 4 * kPieceElements);
  EXPECT_EQ(pieces[1].elements, kPieceElements);
}

TEST(TensorPieces, OfNothingAreNone) {
  EXPECT_EQ(TensorPieces().size(), 0);
  TensorPieces pieces;
  pieces.add(0, tensor_of({0}));
  EXPECT_EQ(pieces.size(), 0);
}

}  // namespace
}  // namespace fakequant
