#include "gguf/input_names.h"

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <system_error>

#include "error.h"

namespace fakequant {
namespace {

std::string key_of(std::string_view type, const char* name) { return fmt::format("{}.{}", type, name); }

}  // namespace

std::string text_sample_key(std::string_view type) { return key_of(type, "text_sample"); }

GgufFile open_input_file(const std::string& path, std::string_view type, std::string_view holds) {
  if (std::error_code ignored; !std::filesystem::exists(path, ignored)) {
    throw Error(fmt::format("cannot open {}: there is no such file; calibrate makes a file of {}", path, holds));
  }
  GgufFile file(path);
  if (file.find_string("general.type") != type) {
    throw Error(fmt::format("{} has no {}: take a file of {} that calibrate wrote", path, holds, holds));
  }
  return file;
}

void add_input_keys(GgufWriter& file, const InputFileKeys& keys) {
  std::vector<std::string> weights, inputs;
  for (const auto& readers : keys.weights) {
    for (const auto& weight : readers) {
      weights.push_back(weight);
      inputs.push_back(readers.front());
    }
  }
  file.add_text("general.type", keys.type);
  file.add_texts(key_of(keys.type, "datasets"), {keys.text});
  file.add_number(key_of(keys.type, "chunk_count"), static_cast<std::uint32_t>(keys.chunks));
  file.add_number(key_of(keys.type, "chunk_size"), static_cast<std::uint32_t>(keys.chunk_size));
  if (!keys.text_sample.empty()) file.add_text(text_sample_key(keys.type), keys.text_sample);
  file.add_texts(key_of(keys.type, "weights"), weights);
  file.add_texts(key_of(keys.type, "inputs"), inputs);
}

std::vector<std::pair<std::string, std::string>> read_input_names(const GgufFile& file, std::string_view type) {
  const auto weights = file.find_strings(key_of(type, "weights")), inputs = file.find_strings(key_of(type, "inputs"));
  if (weights.empty() || weights.size() != inputs.size()) {
    throw Error(fmt::format("{} is damaged: it has {} weights and {} inputs of weights: make it again", file.path(),
                            weights.size(), inputs.size()));
  }
  std::vector<std::pair<std::string, std::string>> names;
  for (std::size_t i = 0; i < weights.size(); ++i) names.emplace_back(weights[i], inputs[i]);
  return names;
}

}  // namespace fakequant
