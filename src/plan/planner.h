// The working state of make_plan(): what each kind may choose from, and what was chosen.
//
// What is chosen can be chosen again with other divergences than those of the study: refine_plan.h does so.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "gguf/gguf_model.h"
#include "plan/format_choice.h"
#include "plan/plan.h"
#include "weights/quantize.h"

namespace fakequant {

// The parts of a kind. A unit is what gets one format: a part, or several that are coupled.
struct PlannedKind {
  PlanKind kind = PlanKind::weights;
  std::vector<PlanPart> parts;
  std::vector<bool> is_kept;                                   // by part
  std::vector<std::vector<std::size_t>> units;                 // the indices of their parts
  std::vector<std::vector<std::vector<std::size_t>>> choices;  // by unit, choice and its part: the index of the option
  std::vector<std::vector<FormatCost>> costs;                  // by unit and choice
  std::vector<std::vector<std::int64_t>> reads;  // by unit and choice: bits that a token reads, if that is budgeted
  std::int64_t values = 0;
  std::optional<FormatChoice> choice;  // by unit
  std::optional<double> budget;        // bits
  bool has_file = false;               // the budget is that of the file
  std::optional<FormatMix> chosen;     // by unit

  double mean(std::int64_t bits) const { return static_cast<double>(bits) / static_cast<double>(values); }
  // By part: the index of the option in a mix.
  std::vector<std::size_t> options_of(const FormatMix& mix) const;
  // The mix of these choices of the units.
  FormatMix mix_of(std::vector<std::size_t> taken) const;
};

class Planner {
 public:
  // By kind and unit: what its divergences are multiplied by.
  using Factors = std::vector<std::vector<double>>;

  // Throws as make_plan() does for a study, a model or a site. The request must outlive it.
  Planner(const StudyDatabase& study, const PlanRequest& request);

  // Chooses a mix for each kind; without a budget nothing. Throws a usage error if a budget cannot be met.
  void choose(const Factors& factors = {});

  const std::vector<PlannedKind>& kinds() const { return kinds_; }
  bool is_chosen() const { return is_chosen_; }
  Recipe recipe() const;  // of the chosen mixes
  // The chosen mixes by kind, to be restored.
  std::vector<FormatMix> chosen() const;
  void restore(std::vector<FormatMix> mixes);

  PlanResult result() const;

 private:
  void scale(std::vector<PlanPart>& parts) const;
  void count_as_stored(std::vector<PlanPart>& parts);
  void keep(const std::vector<PlanPart>& parts);
  void add_kind(PlanKind kind, const std::vector<PlanPart>& parts);
  void add_unit(PlannedKind& kind, const std::vector<std::size_t>& unit, const std::vector<std::size_t>& origins);
  void add_reads(PlannedKind& kind) const;
  std::int64_t other_reads() const;
  void set_budgets();
  FormatMix under_bits(const PlannedKind& kind, const FormatChoice& choice) const;
  FormatMix under_kld(const PlannedKind& kind, double max_kld) const;
  std::optional<FormatMix> in_file(const PlannedKind& kind, const FormatChoice& choice, std::int64_t limit,
                                   const Factors& factors) const;
  FormatMix for_file(const PlannedKind& kind, const FormatChoice& choice, const Factors& factors) const;
  void choose_for_reading(const Factors& factors);
  std::vector<std::vector<FormatCost>> costs_of(const PlannedKind& kind, const Factors& factors) const;
  bool shares_reads(const PlannedKind& kind) const;
  Recipe recipe_of(const PlannedKind& kind, const FormatMix& mix) const;
  QuantizeResult foretold_file(const Recipe& recipe) const;
  std::uint64_t budget_of_file(const QuantizeResult& untouched) const;
  std::uint64_t budgeted_bytes(const QuantizeResult& file) const;
  KindPlan kind_plan(const PlannedKind& kind) const;
  std::vector<PlanPoint> uniform_plans(const PlannedKind& kind) const;
  void add_chosen(PlanResult& result) const;
  std::string kept_note() const;

  const PlanRequest& request_;
  StudySubject subject_;
  int ctx_size_ = 0;
  int chunks_ = 0;
  bool is_chosen_ = false;
  bool splits_cache_ = false;
  std::string storage_;
  std::vector<std::string> notes_;
  std::vector<PlanSuggestion> suggestions_;
  std::optional<GgufModel> model_;                // where the budget is that of a file
  std::optional<PlanMemory> beside_weights_;      // where that is of memory
  std::vector<std::optional<std::size_t>> kept_;  // by part of the study: the index of the required option
  std::vector<std::int64_t> least_;               // likewise: the fewest bits that it may take
  std::vector<PlannedKind> kinds_;
};

}  // namespace fakequant
