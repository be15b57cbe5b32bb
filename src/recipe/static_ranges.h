// Reads the ranges that `calibrate` recorded: those that range=static:FILE uses at each site.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "format/scale.h"

namespace fakequant {

// The value of the field `schema` in the files.
inline constexpr auto kRangesSchema = "fakequant.ranges/1";

class StaticRanges {
 public:
  // Reads a file of ranges. Keeps only the name and range of each site, so that the file's size and the depth of its
  // nesting do not matter. Throws an Error if the file cannot be read or is invalid: not JSON, another schema, a site
  // that occurs twice, or one whose `low` and `high` are not numbers or are in the wrong order.
  explicit StaticRanges(const std::string& path);

  // The range at a site, by its whole name ("ffn_norm-3"); it includes 0. Throws a usage error with the nearest names
  // if the file has no such site.
  ValueRange at(std::string_view site) const;

  // What the file keeps of the text that was read, text_sample; empty for none.
  const std::string& text_sample() const { return text_sample_; }

 private:
  std::string path_, text_sample_;
  std::map<std::string, ValueRange, std::less<>> ranges_;
};

}  // namespace fakequant
