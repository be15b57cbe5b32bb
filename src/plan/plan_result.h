// The results of `plan`: plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "measure/eval_result.h"
#include "recipe/rule.h"

namespace fakequant {

// Values of type double named `bits` are means per value. The values are the weights, or the activations of one token.

// What a budget is for.
enum class PlanKind {
  weights,
  activations,  // with attention's cache, where that has no budget of its own
  cache,
};

// The format of a site in a layer.
struct PlanAssignment {
  PlanKind kind = PlanKind::weights;
  std::string site;
  std::optional<int> layer;  // unset: all layers that the site names
  std::string format;        // empty: not rounded
  bool is_kept = false;      // the request required this format
  std::int64_t values = 0;
  double bits = 0;
  double kld = 0;                       // nats, if nothing else is rounded
  bool is_predicted = false;            // `kld` is predicted from other variants, not measured
  std::vector<std::string> names = {};  // of the tensors or nodes
};

// A mix of formats on the Pareto front of bits and divergence, or one format for all parts.
struct PlanPoint {
  double bits = 0;
  double kld = 0;  // predicted, nats
  std::optional<Estimate> measured;
  bool is_shown = false;                     // in the short table
  bool is_chosen = false;                    // the plan is this point
  std::string format;                        // of all parts, if they share one
  std::optional<std::uint64_t> cache_bytes;  // at PlanResult::ctx_size; unset where nothing of the cache is planned
  Recipe recipe;
};

// The plan of one kind.
struct KindPlan {
  PlanKind kind = PlanKind::weights;
  int parts = 0;  // pairs of site and layer
  std::int64_t values = 0;
  double untouched_bits = 0;
  std::optional<std::uint64_t> untouched_cache_bytes;
  std::vector<PlanPoint> front;    // fewest bits first
  bool is_front_whole = true;      // false: `front` is a sample
  std::vector<PlanPoint> uniform;  // each format that all parts have, fewest bits first
  std::optional<double> chosen_bits, chosen_kld;
  std::optional<std::uint64_t> chosen_cache_bytes;
};

// Parts that lose much less or much more than the bits of a format suggest.
struct PlanSuggestion {
  enum Kind {
    no_loss,     // the format loses at most the negligible divergence in each of these parts
    costs_most,  // these few parts cause more than half of the format's total loss
  } kind = no_loss;
  struct Place {
    std::string site;
    std::vector<int> layers;  // empty if the site was measured as a whole
  };
  SiteKind site_kind = SiteKind::weight;
  std::vector<Place> places;
  std::string format;
  int parts = 0;     // in `places`
  int of_parts = 0;  // in all, of the kind
  double bits = 0;   // in the format
  double untouched_bits = 0;
  double kld = 0;          // sum over the parts
  double largest_kld = 0;  // of a single part
  double total_kld = 0;    // costs_most only: sum over all parts of the kind
};

struct PlanVerification {
  std::string model;
  std::vector<std::string> texts;
  int chunks = 0;
  std::optional<Estimate> kld;  // of the chosen plan
};

// What measuring did to a plan (refine_plan.h).
struct PlanRefinement {
  int tried = 0;              // mixes that were measured, without the first
  int accepted = 0;           // that were better than the one before
  bool is_exhausted = false;  // no move was left to try
  bool by_kernels = false;    // measured in the file's types, by llama.cpp's kernels for them
  Estimate first, last;       // divergence of the mix by the study alone, and of the plan
  Estimate difference;        // last - first, of the same predictions
};

// Bytes that llama.cpp takes for the plan's file and a context.
struct PlanMemory {
  std::uint64_t weights = 0, cache = 0, compute = 0;
};

// A mix of llama-quantize's, as a file without an importance matrix's keys.
struct PlainMix {
  std::string name;
  std::uint64_t file_size = 0;
  double bits_per_weight = 0;
  // Of the planned weights: mean bits and the predicted divergence, nats; unset where the study does not have all
  // types.
  std::optional<double> bits, kld;
};

struct PlanResult {
  std::string study, model;
  std::vector<std::string> texts;
  int chunks = 0;       // of the study
  std::string storage;  // of quantized weights, in the notation of the study
  int layers = 0;
  int ctx_size = 0;  // tokens, of which attention's cache takes `cache_bytes`
  std::vector<KindPlan> kinds;
  bool is_chosen = false;  // a budget was given
  double kld = 0;          // of the plan, predicted
  std::vector<PlanAssignment> assignments;
  Recipe recipe;
  // With a budget of a file: the file that `quantize` writes by the recipe.
  std::optional<std::uint64_t> file_size;
  std::optional<double> bits_per_weight;
  std::optional<std::uint64_t> bytes_per_token;  // with such a budget
  std::optional<double> active_bits_per_weight;  // likewise
  std::optional<PlanMemory> memory;              // likewise
  std::vector<PlainMix> plain_mixes;             // with any budget of a file, smallest first
  std::optional<PlanRefinement> refinement;
  // Set if several kinds are planned: for each kind the best uniform format that takes at most the plan's bits.
  std::optional<PlanPoint> uniform_pair;
  double negligible_kld = 0;
  std::vector<PlanSuggestion> suggestions;
  std::optional<PlanVerification> verification;
  std::vector<std::string> notes;
};

}  // namespace fakequant
