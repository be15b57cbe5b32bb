// Plans: the best mix of the formats of a study under a budget (docs/planning.md).
#pragma once

#include <fakequant/export.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fakequant::FAKEQUANT_V0 {

// A format that a plan must give to a site.
struct KeptFormat {
  std::string site;         // "w:ffn_down@0"
  std::string format = {};  // empty: the site is not rounded
};

// What is planned. Without a budget nothing is chosen.
struct PlanOptions {
  std::string study;
  std::vector<std::string> sites = {};     // to plan; empty: all of the study
  std::vector<KeptFormat> keep = {};       // the last that matches a site wins
  std::vector<KeptFormat> at_least = {};   // no fewer bits than those of the format; likewise
  std::vector<std::string> couples = {};   // weights of a layer that get one format: "qkv", "gate-up", "experts"
  std::optional<double> weight_bits = {};  // the most bits of a value, on average
  std::optional<double> activation_bits = {};
  std::optional<double> cache_bits = {};            // of attention's cache, which is then no part of the activations
  std::optional<std::uint64_t> file_size = {};      // instead of weight_bits: bytes of the file that `quantize` writes,
  std::optional<double> file_bits_per_weight = {};  // or bits of its weights,
  std::optional<std::uint64_t> memory = {};  // or bytes that llama.cpp takes for it, with a cache of `ctx_size` tokens,
  std::optional<std::uint64_t> bytes_per_token = {};  // or bytes that a token reads, of the file and of that cache
  std::optional<double> active_bits_per_weight = {};  // of the weights that a token reads; alone or beside the first
                                                      // three of a file
  int ctx_size = 0;                                   // tokens; 0: those of the study's chunks
  std::string model = {};                             // for a file: where the model is; empty: the study's path
  std::optional<double> max_kld = {};                 // nats, of the whole plan; replaces the budget of one kind
  double negligible_kld = 1e-5;                       // nats that count as no loss
  std::optional<std::string> storage =
      {};  // of quantized weights, as the study writes it: "promote F32", "requantize",
           // ""; needed if the study has several
};

// The format of a site.
struct PlannedSite {
  std::string site;
  std::optional<int> layer;  // none: all layers that the site names
  std::string format;        // empty: not rounded
  std::int64_t values = 0;   // of an activation: per token
  double bits = 0;           // of a value
  double kld = 0;            // nats, if nothing else is rounded
};

// A mix on the front of bits and divergence of one kind of sites.
struct PlanPoint {
  double bits = 0;  // of a value, on average
  double kld = 0;   // predicted, nats
  std::vector<std::string> rules;
};

// A plan.
struct Plan {
  bool is_chosen = false;          // there was a budget
  double kld = 0;                  // of the choice, predicted, nats
  std::vector<std::string> rules;  // of the choice, for Variant::rules and to_yaml()
  std::vector<PlannedSite> sites;
  std::optional<double> weight_bits, activation_bits, cache_bits;  // of the choice
  std::optional<std::uint64_t> file_size;                          // where the budget was that of a file
  std::optional<double> file_bits_per_weight;
  // Where there was such a budget.
  std::optional<std::uint64_t> memory, bytes_per_token;
  std::optional<double> active_bits_per_weight;
  std::vector<PlanPoint> weight_front, activation_front, cache_front;  // fewest bits first
  std::vector<std::string> notes;
};

// Chooses for each site and layer one of the formats in which the study measured it, or none, such that the sum of the
// divergences is minimal. Throws an Error that states the smallest possible budget if a budget cannot be met.
FAKEQUANT_API Plan plan(const PlanOptions& options);

}  // namespace fakequant::FAKEQUANT_V0
