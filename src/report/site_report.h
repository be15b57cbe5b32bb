// The list of sites, as JSON and as tables.
#pragma once

#include <string>

#include "measure/site_list.h"
#include "report/census_report.h"
#include "report/json_file.h"

namespace fakequant {

Json to_json(const SiteList& sites, const Provenance& provenance);

std::string to_text(const SiteList& sites, Layers layers);

}  // namespace fakequant
