// Measures one recipe after another on the chunks of a study, or on more of its texts.
//
// The model is loaded once and the baseline's results are kept, as far as they fit in 1 GiB. Of a recipe's weights
// those are rounded that the recipe before had in other formats.
//
// Either f32 arithmetic computes with the rounded values, or llama.cpp's own kernels with the quantized ones.
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "measure/kept_baseline.h"
#include "measure/weights_in_place.h"
#include "plan/plan.h"
#include "plan/verify_plan.h"

namespace fakequant {

class MixMeasurement {
 public:
  // `storage` is the plan's. `chunks`: the first of each text that are measured beside those of the study. Throws as
  // check_verified() does.
  MixMeasurement(const StudyDatabase& study, const VerifyRequest& request, const std::string& storage, int chunks = 0);

  // The divergence of each scored prediction, chunk by chunk. Unset where it was stopped. Throws an Error if a logit
  // overflows.
  std::optional<std::vector<double>> measure(const Recipe& recipe);

 private:
  struct Piece {  // a chunk of a text
    Chunk chunk;
    std::vector<Token> tokens;
    std::optional<KeptBaseline> baseline;  // unset where it does not fit
  };
  void read_chunks(const StudyDatabase& study, const std::vector<Text>& texts, int chunks);
  std::optional<std::vector<double>> score(Context& variant, int unchanged);
  std::optional<std::vector<double>> measure_by_kernels(const Recipe& weights, const Recipe& taps);

  const VerifyRequest& request_;
  GgufModel file_;
  ApplySettings storage_;
  Model model_;
  ChunkPlan plan_;
  Context baseline_;
  std::vector<Piece> pieces_;
  WeightsInPlace weights_;  // of the recipe before

  // Where kernels compute: the model for them, and the weights of the recipe before with the formats that they are in.
  std::optional<Model> native_;
  ContextOptions native_context_;
  std::map<std::string, std::pair<std::string, ChangedWeight>> quantized_;
};

// refine_plan() by such a measurement; `request.progress` is told the share of the tries. Throws as both do.
PlanResult refine_by_measuring(const StudyDatabase& study, const PlanRequest& plan, const VerifyRequest& request,
                               int tries, int chunks = 0);

}  // namespace fakequant
