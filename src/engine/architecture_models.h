// For tests: the small models of each architecture that llama.cpp's generator made.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
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

// The name of a model as GoogleTest takes it, for INSTANTIATE_TEST_SUITE_P.
inline std::string architecture_name(const testing::TestParamInfo<std::string>& info) {
  auto name = std::filesystem::path(info.param).stem().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
}

}  // namespace fakequant
