#include "measure/text_overlap.h"

#include <fstream>
#include <set>
#include <string>

#include "gguf/gguf_file.h"
#include "gguf/input_names.h"
#include "recipe/static_ranges.h"

namespace fakequant {
namespace {

std::string sample_in_gguf(const std::string& path) {
  std::string magic(4, '\0');
  std::ifstream(path, std::ios::binary).read(magic.data(), 4);
  if (magic != "GGUF") return {};  // an importance matrix in llama.cpp's older form
  const GgufFile file(path);
  const auto type = file.find_string("general.type").value_or("");
  return file.find_string(text_sample_key(type)).value_or("");
}

}  // namespace

std::vector<TextOverlap> find_overlaps(const std::vector<Format>& formats, const std::vector<EvaluatedText>& texts) {
  std::set<std::string> ranges, others;
  for (const auto& format : formats) {
    if (!format.range.file.empty()) ranges.insert(format.range.file);
    for (const auto& path :
         {format.importance_file, format.gptq.hessian_file, format.smoothing.file, format.awq_file}) {
      if (!path.empty()) others.insert(path);
    }
  }
  std::vector<TextOverlap> overlaps;
  const auto add = [&](const std::string& file, const std::string& sample) {
    for (const auto& text : texts) {
      if (const auto share = text.windows.share_in(sample)) overlaps.push_back({file, text.name, *share});
    }
  };
  for (const auto& path : ranges) add(path, StaticRanges(path).text_sample());
  for (const auto& path : others) add(path, sample_in_gguf(path));
  return overlaps;
}

}  // namespace fakequant
