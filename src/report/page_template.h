// The page without its results, as web/ builds it: the build puts it into the program.
#pragma once

#include <string_view>

namespace fakequant {

struct PageTemplate {
  std::string_view html;     // empty: the program was built without it
  std::string_view missing;  // why, and what to do then
};

const PageTemplate& page_template();

}  // namespace fakequant
