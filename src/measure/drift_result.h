// What `drift` measures: plain data. node_difference.h defines the figures.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "measure/eval_result.h"
#include "measure/node_difference.h"

namespace fakequant {

// What becomes of the error in a node: its relative error beside the largest of those of the values it is made of.
enum class DriftRole {
  exact,    // nothing differs, here or in what it is made of
  entered,  // it is rounded, reads a weight that is another one, or differs although nothing it is made of does
  grown,    // at least twice as large as before
  carried,  // in between
  died,     // at most half as large as before
};

inline constexpr double kGrownBy = 2;

// `error` and `before` are relative errors, infinite where values became NaN; `before` is 0 where it is made of nothing
// that was compared.
DriftRole role_of(double error, double before, bool is_changed_here);

struct NodeDrift {
  std::string node;  // its whole name, "ffn_norm-3"
  int layer = -1;    // -1 for what belongs to no layer
  std::string operation;
  NodeDifference difference;
  std::string format;                        // to which the variant rounds it; empty: it does not
  std::vector<std::string> changed_weights;  // that it reads, and that are others in the variant
  std::vector<std::string> made_of;          // nodes
  std::string largest_input;                 // that of them with the largest relative error; empty where all are exact
  double input_error = 0;                    // its relative error; infinite where it has become NaN or infinite
  DriftRole role = DriftRole::exact;

  double error() const { return difference.relative_error(); }
  double growth() const { return difference.relative_harm() / input_error; }  // not finite where nothing came in
};

struct LayerDrift {
  int layer = 0;
  // What leaves the layer, and what its parts add; none where the graph does not show it, or not in both models.
  std::optional<NodeDrift> output, attention, ffn;
  std::int64_t nodes = 0;    // of the layer, that are listed
  NodeDifference all_nodes;  // their values together
  std::int64_t entered = 0, grown = 0, died = 0;
};

// A node that both models have, with values of different shapes.
struct ReshapedNode {
  std::string node;
  std::vector<std::int64_t> baseline, variant;
};

// Where the first value came by that is NaN or infinite.
struct FirstOdd {
  std::string node;
  int layer = -1;
  int chunk = 0;
};

struct DriftResult {
  std::string model;
  std::string text;
  std::string recipe;
  std::string other_model;  // the path of the model that the variant is, where it is another
  std::string pattern;      // of the nodes that are listed
  int threads = 0;
  int ctx_size = 0;
  int chunks = 0;
  std::int64_t tokens = 0;         // that were evaluated, by each
  int tokens_together = 0;         // at most
  std::uint64_t kept_bytes = 0;    // of the baseline's values that were kept at a time, at most
  std::vector<NodeDrift> nodes;    // in the graph's order
  std::vector<LayerDrift> layers;  // all
  std::vector<std::string> only_in_baseline, only_in_variant;  // nodes
  std::vector<ReshapedNode> reshaped;
  std::int64_t odd_baseline = 0, odd_variant = 0;  // NaN or infinite values of the nodes that are listed
  std::optional<FirstOdd> first_odd_baseline, first_odd_variant;
  std::optional<NodeDrift> logits;
  Estimate baseline_ppl;
  std::optional<DivergenceFigures> divergence;  // none where a logit was not a number
};

}  // namespace fakequant
