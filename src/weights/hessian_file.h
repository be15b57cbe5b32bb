// The file of Hessians that `calibrate --hessian` writes and fit=gptq reads.
//
// It is a GGUF file without a model, of type ("general.type") "hessian". Weights that read the same input share its
// Hessian: the arrays hessian.weights and hessian.inputs give for each weight the name of its input, which is that of
// the first of these weights. For each input there are two F32 tensors: INPUT.hessian, for each matrix of the weight
// (such as those of experts) a row with the lower triangle of H = X^T X / n, row by row; and INPUT.counts, n of each
// matrix. hessian.datasets, hessian.chunk_count and hessian.chunk_size say what text it was measured on,
// and hessian.recipe, where the layers before were rounded, by what rules.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gguf/gguf_file.h"
#include "weights/gram_sums.h"

namespace fakequant {

// The inputs of one or several weights.
struct InputHessian {
  std::vector<std::string> weights;  // that read it
  std::vector<GramSums> matrices;    // one for each matrix of these weights
};

struct HessianSums {
  std::string text;                // its name
  int chunks = 0, chunk_size = 0;  // of the text, and tokens in each
  std::vector<InputHessian> inputs;
  std::string text_sample = {};
  std::string rules = {};  // that rounded the layers before each; empty: none were rounded for it
};

// The file's bytes. Throws an Error that names the weight if its inputs were not finite.
std::string hessian_bytes(const HessianSums& sums);

class HessianFile {
 public:
  // Throws an Error if the file cannot be read or is not such a file.
  explicit HessianFile(const std::string& path);

  const std::string& path() const { return file_.path(); }

  // The name of the input that the weight reads; null if the file does not have it. Throws an Error if the Hessian is
  // of another number of columns or matrices: the file was made for another model.
  const std::string* input_of(const TensorInfo& weight) const;

  // The lower triangle of an input's Hessian for one of the weight's matrices, row by row. Throws an Error if it has
  // values that no Hessian has.
  std::vector<float> triangle(const std::string& input, std::int64_t matrix) const;

 private:
  GgufFile file_;
  std::map<std::string, std::string> inputs_;  // by weight
};

}  // namespace fakequant
