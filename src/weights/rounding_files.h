// The files that the formats of weights name, each read once however many tensors are rounded with it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gguf/channel_file.h"
#include "weights/hessian_factors.h"
#include "weights/importance_matrix.h"
#include "weights/output_clipping.h"

namespace fakequant {

// What a format takes of its files; null where it names none.
struct RoundingData {
  std::shared_ptr<const ImportanceMatrix> importance = {};  // imatrix=
  std::shared_ptr<HessianFactors> hessians = {};            // fit=gptq
  std::shared_ptr<OutputHessians> output = {};              // range=output
  std::shared_ptr<const ChannelFile> channels = {};         // smooth=
  std::shared_ptr<const HessianFile> awq = {};              // awq=
};

class RoundingFiles {
 public:
  // Throws an Error if a file that the format names cannot be read.
  RoundingData of(const Format& format);

  // The importance matrix of that name; null for no name. Throws likewise.
  std::shared_ptr<const ImportanceMatrix> importance(const std::string& path);

  // All importance matrices that were read, by the names of their files.
  const std::map<std::string, std::shared_ptr<const ImportanceMatrix>>& importances() const { return importance_; }

 private:
  std::map<std::string, std::shared_ptr<const ImportanceMatrix>> importance_;
  std::vector<std::shared_ptr<HessianFactors>> factors_;  // rules may share them
  std::vector<std::shared_ptr<OutputHessians>> outputs_;  // likewise
  std::map<std::string, std::shared_ptr<const ChannelFile>> channels_;
  std::map<std::string, std::shared_ptr<const HessianFile>> hessians_;
};

}  // namespace fakequant
