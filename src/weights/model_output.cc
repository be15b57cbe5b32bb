#include "weights/model_output.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "error.h"

namespace fakequant {

ModelOutput::ModelOutput(const GgufModel& model, const std::string& output) {
  std::error_code ignored;
  const auto status = std::filesystem::status(output, ignored);
  if (std::filesystem::exists(status) && std::filesystem::is_other(status)) {
    throw usage_error(fmt::format("cannot write a model to {}, which is not a file: name a file", output));
  }
  // Two programs that write the same parts at once would mix them.
  if (model.parts().size() > 1) lock_.emplace(part_paths(output, model.parts().size()).front());
  for (const auto& path : part_paths(output, model.parts().size())) {
    for (const auto& part : model.parts()) {
      if (is_same_file(part.path(), path)) {
        throw usage_error(
            fmt::format("the output {} is the model itself, which is only read: name another file", path));
      }
    }
    files_.push_back(std::make_unique<OutputFile>(path));
    if (!files_.back()->is_file()) {
      throw usage_error(fmt::format("cannot write a model to {}, where writes cannot seek: name a file", path));
    }
    targets_.push_back({files_.back()->fd(), path});
  }
}

void ModelOutput::commit() {
  // Without its first part, the output does not look complete.
  if (files_.size() > 1) files_.front()->remove_target();
  for (auto file = files_.rbegin(); file != files_.rend(); ++file) (*file)->commit();
}

}  // namespace fakequant
