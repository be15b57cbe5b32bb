#include "measure/paired_divergence.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "measure/student_t.h"

namespace fakequant {

std::optional<PairedDivergence> paired_divergence(const VariantResult& first, const VariantResult& second) {
  if (first.overflow || second.overflow) return std::nullopt;
  std::map<ChunkPosition, double> of_first;
  for (const auto& chunk : first.chunks) of_first[{chunk.text, chunk.chunk}] = chunk.figures.kld.value;
  std::vector<double> differences;
  for (const auto& chunk : second.chunks) {
    const auto found = of_first.find({chunk.text, chunk.chunk});
    if (found != of_first.end()) differences.push_back(chunk.figures.kld.value - found->second);
  }
  if (differences.size() < 2) return std::nullopt;
  const auto count = static_cast<double>(differences.size());
  double sum = 0, squares = 0;
  for (const double value : differences) sum += value;
  const double mean = sum / count;
  for (const double value : differences) squares += (value - mean) * (value - mean);
  const double error = std::sqrt(squares / (count - 1) / count);
  const double width = student_t_quantile(0.975, count - 1) * error;
  const double confidence = error > 0 ? student_t_cdf(std::fabs(mean) / error, count - 1) : mean != 0 ? 1.0 : 0.5;
  return PairedDivergence{mean, mean - width, mean + width, confidence, mean > 0};
}

}  // namespace fakequant
