// The results of `drift`: plain data. node_difference.h defines the figures.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "measure/eval_result.h"
#include "measure/node_difference.h"
#include "measure/text_windows.h"
#include "measure/token_errors.h"

namespace fakequant {

// The effect of a node on the error: its relative error compared with the largest relative error of its inputs.
enum class DriftRole {
  exact,    // neither the node nor its inputs differ
  entered,  // the node is rounded, reads a changed weight, or differs although its inputs do not
  grown,    // at least kGrownBy times the largest error of the inputs
  carried,  // in between
  died,     // at most 1 / kGrownBy times the largest error of the inputs
};

inline constexpr double kGrownBy = 2;

// `error` is the relative error of the node, `before` the largest of its inputs; 0 if no input was compared. Both are
// infinite if values became NaN or infinite.
DriftRole role_of(double error, double before, bool is_changed_here);

struct NodeDrift {
  std::string node;  // the full name, "ffn_norm-3"
  int layer = -1;    // -1: the node belongs to no layer
  std::string operation;
  NodeDifference difference;
  std::optional<TokenErrorFigures> tokens;   // unset if the values of tokens cannot be told apart
  std::string format;                        // to which the variant rounds the node; empty if it does not
  std::vector<std::string> changed_weights;  // weights that the node reads and that differ in the variant
  std::vector<std::string> made_of;          // the nodes that are its inputs
  std::string largest_input;                 // the input with the largest relative error; empty if all are exact
  double input_error = 0;                    // relative error of `largest_input`; infinite as in role_of()
  DriftRole role = DriftRole::exact;

  double error() const { return difference.relative_error(); }
  double growth() const { return difference.relative_harm() / input_error; }  // not finite if input_error is 0
};

struct LayerDrift {
  int layer = 0;
  // The output of the layer, and the additions of its parts to the residual stream. Unset if not found in both graphs.
  std::optional<NodeDrift> output, attention, ffn;
  std::int64_t nodes = 0;    // listed nodes of the layer
  NodeDifference all_nodes;  // over all their values
  std::int64_t entered = 0, grown = 0, died = 0;
};

// A node that has different shapes in the two models.
struct ReshapedNode {
  std::string node;
  std::vector<std::int64_t> baseline, variant;
};

// The position of the first NaN or infinite value.
struct FirstNotFinite {
  std::string node;
  int layer = -1;
  int chunk = 0;
};

struct DriftResult {
  std::string model;
  std::string text;
  TextWindows windows;  // of its chunks
  std::string recipe;
  std::string other_model;  // the path of the variant, if it is another model
  std::string pattern;      // of the listed nodes
  int threads = 0;
  int ctx_size = 0;
  int chunks = 0;
  std::int64_t tokens = 0;                                     // evaluated by each model
  int tokens_together = 0;                                     // maximum number of tokens in an evaluation
  std::uint64_t kept_bytes = 0;                                // peak size of the kept values of the baseline
  std::vector<NodeDrift> nodes;                                // the listed nodes, in graph order
  std::vector<LayerDrift> layers;                              // all
  std::vector<std::string> only_in_baseline, only_in_variant;  // nodes
  std::vector<ReshapedNode> reshaped;
  std::int64_t not_finite_baseline = 0, not_finite_variant = 0;  // NaN or infinite values in listed nodes
  std::optional<FirstNotFinite> first_not_finite_baseline, first_not_finite_variant;
  std::optional<NodeDrift> logits;
  Estimate baseline_ppl;
  std::optional<DivergenceFigures> divergence;  // unset if a logit was NaN
  std::vector<WorstToken> worst_tokens;         // by KL divergence, largest first
  std::int64_t predictions = 0;                 // scored
  std::int64_t half_in = 0;  // so many of the predictions, those with the largest divergence, have half of its sum
};

}  // namespace fakequant
