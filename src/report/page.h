// The page: one HTML file with results and the code that draws them, which needs no network.
//
// The program contains the page without results (page_template.h). The results go into a script element that is read as
// JSON; every '<' in it is escaped, so that no text and no name can end the element.
#pragma once

#include <string>

#include "report/page_results.h"
#include "report/page_template.h"

namespace fakequant {

// Throws an Error that says what is missing if the program was built without the page.
void check_page(const PageTemplate& page = page_template());

// The page with these results, which came from `source`.
std::string to_page(const PageResults& results, const std::string& source, const Provenance& provenance,
                    const PageTemplate& page = page_template());

// A report on the page, written to the file `page` with `bytes` bytes: for the terminal, and as JSON.
std::string to_text(const PageResults& results, const std::string& page, std::size_t bytes);
Json to_json(const PageResults& results, const std::string& page, std::size_t bytes, const Provenance& provenance);

}  // namespace fakequant
