// The OpenAPI document of what the server answers, openapi.json, which the build puts into the program.
#pragma once

#include <string_view>

namespace fakequant {

std::string_view openapi_document();

}  // namespace fakequant
