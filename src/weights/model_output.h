// The files that a changed model is written to: one for each part, which appear complete or not at all.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gguf/file_lock.h"
#include "gguf/gguf_model.h"
#include "gguf/output_file.h"
#include "gguf/rewrite.h"

namespace fakequant {

class ModelOutput {
 public:
  // Opens `output`, or, for a split model, the files part_paths(output, ...). Throws a usage error if one of them is a
  // part of the model itself or cannot be written at any place, and an Error if one cannot be created.
  ModelOutput(const GgufModel& model, const std::string& output);

  const std::vector<RewriteTarget>& targets() const { return targets_; }

  // Gives the files their names, the first part's last: a split model is opened through it. Throws as
  // OutputFile::commit does.
  void commit();

 private:
  std::optional<FileLock> lock_;
  std::vector<std::unique_ptr<OutputFile>> files_;
  std::vector<RewriteTarget> targets_;
};

}  // namespace fakequant
