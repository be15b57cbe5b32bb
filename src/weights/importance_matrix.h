// An importance matrix: the importance of each column of each weight, as llama-imatrix measures it on a text.
//
// llama-imatrix writes a GGUF file with two tensors for each weight NAME: NAME.in_sum2, the sum of the squared inputs
// of every column (for each expert, if there are experts), and NAME.counts, the number of inputs. A column's importance
// is the mean, or 1 for all columns of an expert that no token was routed to, as in llama-quantize.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gguf/gguf_file.h"

namespace fakequant {

class ImportanceMatrix {
 public:
  // Throws an Error if the file cannot be read or is not an importance matrix.
  explicit ImportanceMatrix(const std::string& path);

  // The importance of each column, one row of them for each of the tensor's matrices (ne[2]); empty if the file does
  // not have the tensor. Throws an Error if it has another number of columns.
  std::span<const float> of(const TensorInfo& tensor) const;

  const std::string& path() const { return path_; }

  // The importances of all weights, by name.
  const std::map<std::string, std::vector<float>, std::less<>>& columns() const { return columns_; }

  // What the file says of itself: the texts that it was measured on, and how many chunks of them. None where it does
  // not say.
  const std::vector<std::string>& texts() const { return texts_; }
  std::optional<std::uint32_t> chunks() const { return chunks_; }

 private:
  std::string path_;
  std::vector<std::string> texts_;
  std::optional<std::uint32_t> chunks_;
  std::map<std::string, std::vector<float>, std::less<>> columns_;
};

}  // namespace fakequant
