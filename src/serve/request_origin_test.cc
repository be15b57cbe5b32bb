#include "serve/request_origin.h"

#include <gtest/gtest.h>

namespace fakequant {
namespace {

TEST(RequestOrigin, KnowsTheNamesOfThisMachine) {
  for (const auto* host :
       {"localhost", "LocalHost:8080", "127.0.0.1", "127.0.0.1:1", "127.1.2.3:80", "[::1]", "[::1]:8080"}) {
    EXPECT_TRUE(is_local_host(host)) << host;
  }
  for (const auto* host :
       {"", "example.com", "localhost.example.com", "127.0.0.1.example.com", "127.0.0.1:80@evil", "127.0.0",
        "127.0.0.1.1", "128.0.0.1", "[::2]", "[::1", "[::1]x", "::1", "0.0.0.0", "localhost:", "127.0.0.a"}) {
    EXPECT_FALSE(is_local_host(host)) << host;
  }
}

TEST(RequestOrigin, KnowsItself) {
  EXPECT_TRUE(is_same_origin("http://localhost:8080", "localhost:8080"));
  EXPECT_FALSE(is_same_origin("http://localhost:8081", "localhost:8080"));
  EXPECT_FALSE(is_same_origin("https://localhost:8080", "localhost:8080"));
  EXPECT_FALSE(is_same_origin("null", "localhost:8080"));
  EXPECT_FALSE(is_same_origin("http://example.com", "localhost:8080"));
}

}  // namespace
}  // namespace fakequant
