// Makes the page: one HTML file with the results and the code that draws them, which needs no network.
//
// The program embeds the page without results (page_template.h). The results are inserted into a script element that is
// only read as JSON; every '<' in it is escaped, so that no text in the results can end the element.
#pragma once

#include <string>

#include "report/page_results.h"
#include "report/page_template.h"

namespace fakequant {

// Throws an Error that says what is missing if the program was built without the page.
void check_page(const PageTemplate& page = page_template());

// The page with these results; `source` is the path that they were read from.
std::string to_page(const PageResults& results, const std::string& source, const Provenance& provenance,
                    const PageTemplate& page = page_template());

// A report on the page, written to the file `page` with `bytes` bytes: for the terminal, and as JSON.
std::string to_text(const PageResults& results, const std::string& page, std::size_t bytes);
Json to_json(const PageResults& results, const std::string& page, std::size_t bytes, const Provenance& provenance);

}  // namespace fakequant
