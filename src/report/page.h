// Makes the page: one HTML file with the results and the code that draws them, which needs no network.
//
// The program embeds the page without results (page_template.h). The results are inserted into a script element that is
// only read as JSON; every '<' in it is escaped, so that no text in the results can end the element.
#pragma once

#include <string>

#include "report/page_results.h"
#include "report/page_template.h"

namespace fakequant {

// Throws an Error that says what is missing, when the program was built without the page.
void check_page(const PageTemplate& page = page_template());

// The page with these results; `source` is the path that they were read from.
std::string to_page(const PageResults& results, const std::string& source, const Provenance& provenance,
                    const PageTemplate& page = page_template());

}  // namespace fakequant
