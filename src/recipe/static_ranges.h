// The ranges that `calibrate` recorded, read back: what range=static:FILE means at each site.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "format/scale.h"

namespace fakequant {

// What the files are marked with.
inline constexpr auto kRangesSchema = "fakequant.ranges/1";

class StaticRanges {
 public:
  // Reads a file of ranges. Of each site only its name and its range are kept, so that neither the file's size nor how
  // deep it is nested matters. Throws an Error when it cannot be read or is damaged: no JSON, another schema, a site
  // that comes twice or whose `low` and `high` are no numbers, or crossed.
  explicit StaticRanges(const std::string& path);

  // The range at a site, by its whole name ("ffn_norm-3"); it holds 0. Throws a usage error that names the nearest
  // sites when the file has none for it.
  ValueRange at(std::string_view site) const;

 private:
  std::string path_;
  std::map<std::string, ValueRange, std::less<>> ranges_;
};

}  // namespace fakequant
