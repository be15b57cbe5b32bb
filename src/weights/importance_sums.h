// What an importance matrix is made of: sums over the inputs of each column of a weight.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace fakequant {

// Of one weight, which holds one matrix or several, such as those of experts. The sums have the columns of the first
// matrix, then those of the second, and so on.
struct ColumnSums {
  std::int64_t columns = 0;
  std::vector<double> sum, sum_of_squares;
  std::vector<std::int64_t> counts;  // rows that each matrix was multiplied with
};

struct ImportanceSums {
  std::string text;                           // its name
  int chunks = 0, chunk_size = 0;             // of the text, and tokens in each
  std::map<std::string, ColumnSums> weights;  // by name
  std::string text_sample = {};               // which llama-imatrix does not write
};

// The GGUF file that llama-imatrix would write, with the same keys and tensors: for each weight NAME.in_sum2,
// NAME.counts and NAME.in_sum. A dense weight has one count, as there. Sums are rounded to F32.
std::string importance_file(const ImportanceSums& sums);

}  // namespace fakequant
