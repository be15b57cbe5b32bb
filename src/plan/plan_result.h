// What `plan` finds: plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "measure/eval_result.h"
#include "recipe/rule.h"

namespace fakequant {

// Bits are means over the values of a kind: weights, or the activations of one token.

// What a plan gives a site in a layer.
struct PlanAssignment {
  SiteKind kind = SiteKind::weight;
  std::string site;
  std::optional<int> layer;  // none: all that the site names
  std::string format;        // empty: it stays as it is
  bool is_kept = false;      // because it was asked for
  std::int64_t values = 0;
  double bits = 0;            // of a value
  double kld = 0;             // nats, by itself
  bool is_predicted = false;  // from other variants, and not measured
};

// A mix of formats of which no other is better in bits and divergence, or one format for all.
struct PlanPoint {
  double bits = 0;  // of a value
  double kld = 0;   // predicted, nats
  std::optional<Estimate> measured;
  bool is_shown = false;   // in a short table
  bool is_chosen = false;  // it is the plan's
  std::string format;      // of all parts, where they have one
  Recipe recipe;
};

// All that is planned of a kind.
struct KindPlan {
  SiteKind kind = SiteKind::weight;
  int parts = 0;  // sites in layers
  std::int64_t values = 0;
  double untouched_bits = 0;
  std::vector<PlanPoint> front;    // fewest bits first
  bool is_front_whole = true;      // or else some of it
  std::vector<PlanPoint> uniform;  // every format that all parts have, fewest bits first
  std::optional<double> chosen_bits, chosen_kld;
};

// A place where formats do what their bits alone do not say.
struct PlanSuggestion {
  enum Kind {
    no_loss,     // the format loses less here than what counts as nothing
    costs_most,  // few parts make more than half of what the format loses everywhere
  } kind = no_loss;
  struct Place {
    std::string site;
    std::vector<int> layers;  // none where the site was measured as one
  };
  SiteKind site_kind = SiteKind::weight;
  std::vector<Place> places;
  std::string format;
  int parts = 0;     // that it is about
  int of_parts = 0;  // of the kind
  double bits = 0;   // of a value, in the format
  double untouched_bits = 0;
  double kld = 0;          // of the parts, added up
  double largest_kld = 0;  // of one of them
  double total_kld = 0;    // costs_most: of all parts of the kind, added up
};

struct PlanVerification {
  std::string model;
  std::vector<std::string> texts;
  int chunks = 0;
  std::optional<Estimate> kld;  // of the chosen plan
};

struct PlanResult {
  std::string study, model;
  std::vector<std::string> texts;
  int chunks = 0;       // of the study
  std::string storage;  // of quantized weights, as the study has it
  int layers = 0;
  std::vector<KindPlan> kinds;
  bool is_chosen = false;  // a budget was given
  double kld = 0;          // of the plan, predicted
  std::vector<PlanAssignment> assignments;
  Recipe recipe;
  // Where weights and activations are planned: the best format for each that takes no more bits, together.
  std::optional<PlanPoint> uniform_pair;
  double negligible_kld = 0;
  std::vector<PlanSuggestion> suggestions;
  std::optional<PlanVerification> verification;
  std::vector<std::string> notes;
};

}  // namespace fakequant
