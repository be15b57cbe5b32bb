// An importance matrix: how much each column of a weight matters, measured by llama-imatrix on a text.
//
// llama-imatrix writes a GGUF file with two tensors for each weight NAME: NAME.in_sum2, the sums of the squared inputs
// of every column (for each expert, where there are experts), and NAME.counts, how many inputs there were. A column's
// importance is the mean, and 1 for all columns of an expert that no token came to, as in llama-quantize.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "gguf/gguf_file.h"

namespace fakequant {

class ImportanceMatrix {
 public:
  // Throws an Error when the file cannot be read or is none.
  explicit ImportanceMatrix(const std::string& path);

  // The importance of each column of a row of the tensor, one row for each of its matrices (ne[2]); empty when the file
  // has nothing about it. Throws an Error when it has another number of columns.
  std::span<const float> of(const TensorInfo& tensor) const;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::map<std::string, std::vector<float>, std::less<>> columns_;
};

}  // namespace fakequant
