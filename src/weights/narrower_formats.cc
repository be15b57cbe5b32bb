#include "weights/narrower_formats.h"

#include <algorithm>
#include <map>

namespace fakequant {
namespace {

struct Narrowest {
  std::vector<std::string> formats;  // none if the tensor needs its own type
  int bits = 0;
};

Narrowest narrowest_of(const TensorCensus& tensor) {
  static const std::map<std::string, int> bits_of_type = {{"F32", 32}, {"F16", 16}, {"BF16", 16}};
  static const std::map<std::string, int> bits_of_format = {{"bf16", 16}, {"f16", 16}, {"e4m3", 8}, {"e5m2", 8}};
  const auto type = bits_of_type.find(tensor.type);
  if (type == bits_of_type.end() || tensor.elements == 0) return {};
  Narrowest narrowest{{}, type->second};
  for (const auto& format : tensor.lossless_in) {
    const auto found = bits_of_format.find(format);
    if (found == bits_of_format.end() || found->second > narrowest.bits || found->second == type->second) continue;
    if (found->second < narrowest.bits) narrowest.formats.clear();
    narrowest.bits = found->second;
    narrowest.formats.push_back(format);
  }
  return narrowest;
}

}  // namespace

std::vector<NarrowerFormats> narrower_formats(const Census& census) {
  std::vector<NarrowerFormats> groups;
  for (std::size_t t = 0; t < census.tensors.size(); ++t) {
    const auto& tensor = census.tensors[t];
    const auto narrowest = narrowest_of(tensor);
    if (narrowest.formats.empty()) continue;
    auto group = std::find_if(groups.begin(), groups.end(), [&](const NarrowerFormats& other) {
      return other.type == tensor.type && other.formats == narrowest.formats;
    });
    if (group == groups.end()) {
      group = groups.insert(group, {tensor.type, narrowest.formats, narrowest.bits, {}, 0, 0});
    }
    group->tensors.push_back(t);
    group->bytes += tensor.bytes;
    group->narrower_bytes += static_cast<std::uint64_t>(tensor.elements * narrowest.bits / 8);
  }
  return groups;
}

}  // namespace fakequant
