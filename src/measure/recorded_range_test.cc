#include "measure/recorded_range.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "error.h"

namespace fakequant {
namespace {

TEST(RecordedRange, ReadsAndWritesItsText) {
  for (const char* text :
       {"absmax", "percentile:99.9", "percentile:100", "entropy:8", "entropy:2", "mse:int8", "mse:e4m3",
        "mse:int4,codes=full", "mse:e4m3,margin=1", "history:1", "history:1024", "average:0.01", "average:1"}) {
    EXPECT_EQ(to_string(parse_recorded_range(text)), text);
  }
  EXPECT_EQ(to_string(parse_recorded_range("entropy")), "entropy:8");
  EXPECT_EQ(to_string(parse_recorded_range("mse")), "mse:int8");
}

TEST(RecordedRange, RefusesWhatARecordCannotGive) {
  for (const char* text : {"",
                           "abs",
                           "absmax:1",
                           "percentile",
                           "percentile:",
                           "percentile:0",
                           "percentile:101",
                           "entropy:",
                           "entropy:1",
                           "entropy:9",
                           "mse:",
                           "mse:int99",
                           "mse:mxfp4",
                           "mse:bf16",
                           "mse:q4_0",
                           "mse:nvfp4",
                           "mse:int8,round=stochastic",
                           "mse:int8,per=row",
                           "mse:int8,range=2",
                           "history",
                           "history:0",
                           "history:-1",
                           "history:x",
                           "average",
                           "average:0",
                           "average:1.5",
                           "average:nan",
                           "static:r.json",
                           "output",
                           "6.5"}) {
    try {
      parse_recorded_range(text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.failure(), Failure::usage) << text;
      EXPECT_THAT(error.what(), testing::Not(testing::HasSubstr("\n"))) << text;
    }
  }
}

}  // namespace
}  // namespace fakequant
