// What a type loses at the rows of an embedding that a measured text does not use.
//
// A text looks up the rows of its own tokens only, so what rounding does to the others is in no measured divergence,
// and a few hundred tokens are a small part of a vocabulary. What can be said of all rows is the error of each: its
// squares, as a part of the row's, since a norm follows that makes rows equally long. Rows count by how often their
// tokens come: in a longer text, and for the tokens that it does not have either, all together, as often as it has
// tokens that come once (Good, "The population frequencies of species", Biometrika 40, 1953), each as often as another.
// The divergence of a type is multiplied by that error over the same of the rows that were measured.
//
// Where the output is the same matrix, the measured divergence has all rows of that already, and the factor, which is
// near 1, weighs more than it should.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "format/format.h"
#include "gguf/gguf_model.h"
#include "plan/plan.h"

namespace fakequant {

// How often tokens come, by their numbers.
using TokenCounts = std::map<std::int64_t, std::int64_t>;

// How often the token of each row is to be expected; the sum is 1. `rows`: of the matrix. Tokens beyond them are left
// out.
struct RowFrequencies {
  std::map<std::int64_t, double> used;  // of the rows whose tokens the text has
  double other = 0;                     // of each of the others
};
RowFrequencies row_frequencies(const TokenCounts& text, std::int64_t rows);

struct EmbeddingRows {
  std::string tensor;
  std::int64_t rows = 0, measured = 0;  // and those that the measured text uses
  std::vector<CostFactor> factors;      // of each format
};

// Rounds the rows that either text uses and a sample of the others. `formats` are types of ggml, which round a row by
// itself. A format that the rows do not fit has no factor.
EmbeddingRows weigh_rows(const GgufModel& model, std::size_t tensor, const TokenCounts& measured,
                         const TokenCounts& text, const std::vector<Format>& formats, int threads);

}  // namespace fakequant
