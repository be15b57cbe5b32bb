// The factors of Hessians, which fit=gptq needs of a tensor while its pieces are rounded.
//
// A factor has eight bytes for each pair of columns, and weights that read the same input share one.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "weights/gptq.h"
#include "weights/hessian_file.h"
#include "weights/kept_of_hessians.h"

namespace fakequant {

// The Hessian of inputs that are multiplied by a rotation's matrix R, R H R^T in float32: lower triangles, row by row.
std::vector<float> rotated_hessian(std::span<const float> lower, std::int64_t columns, const Rotation& rotation);

class HessianFactors {
 public:
  // Of inputs that are rotated so. Throws as HessianFile does.
  HessianFactors(const GptqOptions& options, const Rotation& rotation)
      : options_(options), rotation_(rotation), file_(options.hessian_file) {}

  bool is_for(const GptqOptions& options, const Rotation& rotation) const {
    return options_ == options && rotation_ == rotation;
  }

  // Whether the file has the weight's Hessian. Throws as HessianFile::input_of().
  bool has(const TensorInfo& weight) const { return file_.input_of(weight) != nullptr; }

  // The factor for one of the matrices of a weight that it has. Thread-safe. Throws an Error for a Hessian that cannot
  // be factored.
  std::shared_ptr<const GptqFactor> of(const TensorInfo& weight, std::int64_t matrix);

  const std::string& path() const { return file_.path(); }

 private:
  GptqOptions options_;
  Rotation rotation_;
  HessianFile file_;
  KeptOfHessians<GptqFactor> kept_;
};

}  // namespace fakequant
