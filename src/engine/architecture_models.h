// For tests: the small models of each architecture that llama.cpp's generator made.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace fakequant {

// The models in the folder ARCHITECTURES, by name; where ARCHITECTURES_STEP is set, one of that many.
inline std::vector<std::string> architecture_models() {
  std::vector<std::string> paths;
  if (const char* folder = std::getenv("ARCHITECTURES"); folder != nullptr && *folder != '\0') {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() == ".gguf") paths.push_back(entry.path().string());
    }
  }
  std::sort(paths.begin(), paths.end());
  const char* step = std::getenv("ARCHITECTURES_STEP");
  std::vector<std::string> chosen;
  for (std::size_t i = 0; i < paths.size(); i += step != nullptr ? std::stoul(step) : 1) chosen.push_back(paths[i]);
  return chosen;
}

}  // namespace fakequant
