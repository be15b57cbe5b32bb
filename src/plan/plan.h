// Plans the best mix of formats from the measurements of a study, under a budget of bits or of divergence.
//
// The predicted divergence of a mix is the sum of the divergences of its parts, each measured alone. To first order the
// errors of independent roundings are uncorrelated in the logits, so their squares add, and the divergence is quadratic
// in them. docs/planning.md measures how well that holds on the demo model.
//
// Weights, activations and attention's cache have separate budgets because they occupy different memories. Since
// divergences add, each kind is planned independently, but where weights and cache share the bytes that a token reads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/attention_options.h"
#include "plan/coupled_parts.h"
#include "plan/plan_costs.h"
#include "plan/plan_result.h"

namespace fakequant {

// The format that a plan must give to a site.
struct KeptFormat {
  SitePattern site;
  std::optional<RuleFormat> format;  // unset: the site is not rounded
};

// The maximum number of bits per value, averaged over the values of a kind.
struct BitBudget {
  std::optional<PlanKind> kind;  // unset: each planned kind
  double bits = 0;
};

// What the file may be that `quantize` writes by the plan. At most one of size, bits per weight, memory and bytes per
// token is set; with none of all,
// PlanRequest::max_kld limits the divergence, and the file is as small as that allows.
struct FileBudget {
  std::string model;                           // the study's, whose other tensors and metadata the file has, too
  std::optional<std::uint64_t> size = {};      // bytes, all that is in the file
  std::optional<double> bits_per_weight = {};  // of the data of all tensors, as llama.cpp counts it
  // Bytes that llama.cpp takes for a context of PlanRequest::ctx_size tokens: the data of all tensors, and what
  // model_outline.h says.
  std::optional<std::uint64_t> memory = {};
  AttentionOptions attention = {};  // of that context
  // Bytes that a token reads: of all weights, and of the planned cache of PlanRequest::ctx_size tokens (read_share.h).
  std::optional<std::uint64_t> bytes_per_token = {};
  // Of the weights that a token reads. Alone or beside the first three.
  std::optional<double> active_bits_per_weight = {};
};

// The divergence of a format at a tensor counts so many times (embedding_rows.h).
struct CostFactor {
  std::string tensor, format;
  double factor = 1;
};

struct PlanRequest {
  std::string study;
  std::vector<SitePattern> sites;      // to plan; empty: all sites of the study
  std::vector<KeptFormat> keep;        // the last that matches a site wins
  std::vector<KeptFormat> at_least;    // no fewer bits than those of a format; the last that matches a site wins
  std::vector<Couple> couples;         // parts that get one format
  std::vector<CostFactor> factors;     // of parts that are one tensor
  std::vector<BitBudget> bits;         // at most one for each kind; one for the cache makes it a kind of its own
  std::optional<FileBudget> file;      // of weights, instead of a bit budget
  std::optional<double> max_kld;       // of the whole plan; replaces the bit budget of one kind
  std::optional<std::string> storage;  // of quantized weights; required if the study has several
  int ctx_size = 0;                    // tokens, at which the size of the cache is told; 0: those of the study's chunks
  double negligible_kld = 1e-5;        // nats; counts as no loss. By Pinsker's inequality it changes the probability of
                                       // an event by at most sqrt(kld / 2) = 0.2 %
};

// Throws what plan_costs() throws, and a usage error that states the smallest possible budget if a budget cannot be
// met. With a budget of a file, formats that are no types of ggml are left out, and bits are those of the file's
// tensors with their padding; throws an Error if the model is not the study's.
PlanResult make_plan(const StudyDatabase& study, const PlanRequest& request);

}  // namespace fakequant
