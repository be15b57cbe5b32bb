// Merges studies of the same model and texts, such as those of shards, into one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fakequant {

struct MergeResult {
  std::string study;
  std::vector<std::string> merged;
  std::string model;
  std::vector<std::string> texts;
  int variants = 0;         // in the output
  std::int64_t scores = 0;  // chunks of variants
};

// Adds the contents of the studies to the study at `output`, and creates that if it does not exist. If it throws, it
// has added nothing. Throws a usage error if the studies have different models or texts, and an Error if they have
// different figures for the same chunk.
MergeResult merge_studies(const std::string& output, const std::vector<std::string>& studies);

}  // namespace fakequant
