// Studies of the same model and texts, united: what shards measured becomes what one study would have.
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
  int variants = 0;         // in the study now
  std::int64_t scores = 0;  // chunks of variants
};

// Adds all that the studies hold to the one at `output`, which is made where there is none: all of it or, when it
// throws, nothing. Throws a usage error where they are of different models or texts, and an Error where they have
// different figures for the same.
MergeResult merge_studies(const std::string& output, const std::vector<std::string>& studies);

}  // namespace fakequant
