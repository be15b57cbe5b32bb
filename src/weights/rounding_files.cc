#include "weights/rounding_files.h"

#include <algorithm>

#include "format/format_properties.h"

namespace fakequant {
namespace {

// Null for no path.
template <typename File>
std::shared_ptr<const File> opened(std::map<std::string, std::shared_ptr<const File>>& files, const std::string& path) {
  if (path.empty()) return nullptr;
  auto& file = files[path];
  if (!file) file = std::make_shared<const File>(path);
  return file;
}

}  // namespace

std::shared_ptr<const ImportanceMatrix> RoundingFiles::importance(const std::string& path) {
  return opened(importance_, path);
}

RoundingData RoundingFiles::of(const Format& format) {
  RoundingData data;
  data.importance = importance(format.importance_file);
  data.channels = opened(channels_, format.smoothing.file);
  data.awq = opened(hessians_, format.awq_file);
  if (finds_range_by_output(format)) {
    const auto found =
        std::find_if(outputs_.begin(), outputs_.end(), [&](const auto& hessians) { return hessians->is_for(format); });
    data.output = found != outputs_.end() ? *found : outputs_.emplace_back(std::make_shared<OutputHessians>(format));
  }
  if (!uses_hessian(format)) return data;
  const auto found = std::find_if(factors_.begin(), factors_.end(),
                                  [&](const auto& factors) { return factors->is_for(format.gptq, format.rotation); });
  data.hessians = found != factors_.end()
                      ? *found
                      : factors_.emplace_back(std::make_shared<HessianFactors>(format.gptq, format.rotation));
  return data;
}

}  // namespace fakequant
