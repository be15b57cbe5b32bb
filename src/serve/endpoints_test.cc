#include "serve/endpoints.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "lower_case.h"
#include "serve/openapi_document.h"

namespace fakequant {
namespace {

TEST(Endpoints, AreThoseOfTheDocument) {
  std::set<std::string> routes, documented;
  for (const auto& route : Endpoints::routes()) {
    routes.insert(std::string(route.path) + " " + lower_case(route.method));
  }
  const auto document = Json::parse(openapi_document());
  for (const auto& [path, methods] : document["paths"].items()) {
    for (const auto& [method, description] : methods.items()) {
      if (method != "parameters") documented.insert(path + " " + method);
    }
  }
  EXPECT_EQ(routes, documented);
}

}  // namespace
}  // namespace fakequant
