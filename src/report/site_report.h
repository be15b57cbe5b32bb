// What there is to round, as JSON and as tables.
#pragma once

#include <string>

#include "report/census_report.h"
#include "report/json_file.h"
#include "measure/site_list.h"

namespace fakequant {

Json to_json(const SiteList& sites, const Provenance& provenance);

std::string to_text(const SiteList& sites, Layers layers);

}  // namespace fakequant
