#include "weights/importance_sums.h"

#include "gguf/gguf_writer.h"
#include "gguf/input_names.h"

namespace fakequant {
namespace {

std::vector<float> rounded(const std::vector<double>& sums) {
  std::vector<float> values;
  values.reserve(sums.size());
  for (const double sum : sums) values.push_back(static_cast<float>(sum));
  return values;
}

}  // namespace

std::string importance_file(const ImportanceSums& sums) {
  GgufWriter file;
  file.add_text("general.type", "imatrix");
  file.add_texts("imatrix.datasets", {sums.text});
  file.add_number("imatrix.chunk_count", static_cast<std::uint32_t>(sums.chunks));
  file.add_number("imatrix.chunk_size", static_cast<std::uint32_t>(sums.chunk_size));
  if (!sums.text_sample.empty()) file.add_text(text_sample_key("imatrix"), sums.text_sample);
  for (const auto& [name, weight] : sums.weights) {
    const auto matrices = static_cast<std::int64_t>(weight.counts.size());
    const std::vector<float> counts(weight.counts.begin(), weight.counts.end());
    file.add_tensor(name + ".in_sum2", {weight.columns, matrices}, rounded(weight.sum_of_squares));
    file.add_tensor(name + ".counts", {1, matrices}, counts);
    file.add_tensor(name + ".in_sum", {weight.columns, matrices}, rounded(weight.sum));
  }
  return file.bytes();
}

}  // namespace fakequant
