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

RoundingData RoundingFiles::of(const Format& format) {
  RoundingData data;
  data.importance = opened(importance_, format.importance_file);
  data.channels = opened(channels_, format.smoothing.file);
  if (!uses_hessian(format)) return data;
  const auto found =
      std::find_if(hessians_.begin(), hessians_.end(), [&](const auto& known) { return known.first == format.gptq; });
  data.hessians = found != hessians_.end()
                      ? found->second
                      : hessians_.emplace_back(format.gptq, std::make_shared<HessianFactors>(format.gptq)).second;
  return data;
}

}  // namespace fakequant
