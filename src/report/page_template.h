// The pages, as web/ builds them: the build puts them into the program.
#pragma once

#include <string_view>

namespace fakequant {

struct PageTemplate {
  std::string_view html;     // empty: the program was built without it
  std::string_view missing;  // why, and what to do then
};

// The page of `report`, without its results.
const PageTemplate& page_template();

// The playground of `serve`.
const PageTemplate& playground_page();

}  // namespace fakequant
