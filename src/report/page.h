// The page for people who did not measure it themselves: one HTML file that holds the results and what draws them, and
// asks nothing of any network.
//
// The program has the page without results in it (page_template.h). The results are put into a script element that is
// only read as JSON; every '<' in it is written as an escape, so that no text and no name can end the element.
#pragma once

#include <string>

#include "report/page_results.h"
#include "report/page_template.h"

namespace fakequant {

// Throws an Error that says what is missing, when the program was built without the page.
void check_page(const PageTemplate& page = page_template());

// The page with these results, which came from `source`.
std::string to_page(const PageResults& results, const std::string& source, const Provenance& provenance,
                    const PageTemplate& page = page_template());

// What was written to the file `page`, which has so many bytes: for the terminal, and as JSON.
std::string to_text(const PageResults& results, const std::string& page, std::size_t bytes);
Json to_json(const PageResults& results, const std::string& page, std::size_t bytes, const Provenance& provenance);

}  // namespace fakequant
