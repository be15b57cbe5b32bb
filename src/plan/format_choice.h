// The best mix of formats under a budget: one option for each part, such that the sum of the divergences is minimal and
// the sum of the bits is within the budget. This is the multiple-choice knapsack problem. It is solved exactly.
//
// The linear relaxation gives a lower bound. It takes the steps that save most divergence per bit until the budget is
// exhausted; the saving of the last step is the price lambda of a bit. At this price an option costs
// kld + lambda x bits, and the excess of an option is its cost minus that of the cheapest option of its part. The
// divergence of a mix within the budget is at least the bound plus the sum of the excesses. The search therefore
// discards every mix whose excess is larger than the gap between the bound and the best known mix. It extends partial
// mixes part by part and drops those that another partial mix dominates in bits and divergence. Pisinger develops this
// approach further in "A minimal algorithm for the multiple-choice knapsack problem", European Journal of Operational
// Research 83, 1995.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace fakequant {

// The cost of one option of a part.
struct FormatCost {
  std::int64_t bits = 0;
  double kld = 0;  // finite, nats
};

struct FormatMix {
  std::int64_t bits = 0;  // sum over the parts
  double kld = 0;
  std::vector<std::size_t> options;  // by part: the index of the chosen option
};

struct ParetoFront {
  std::vector<FormatMix> mixes;  // fewest bits first; no mix dominates another
  bool is_whole = true;          // false: a sample of the front, which includes both ends
};

class FormatChoice {
 public:
  // Every part must have at least one option.
  explicit FormatChoice(std::vector<std::vector<FormatCost>> parts);

  // The mix of least divergence that takes at most `max_bits`; of several, the one of fewest bits. Unset if every mix
  // takes more.
  std::optional<FormatMix> under_bits(std::int64_t max_bits) const;

  // The mix of fewest bits whose divergence is at most `max_kld`. Unset if every mix diverges more.
  std::optional<FormatMix> under_kld(double max_kld) const;

  // The Pareto front. If it has more than `max_mixes` mixes, a sample of about half as many, evenly spaced in bits.
  ParetoFront front(std::size_t max_mixes) const;

  std::int64_t min_bits() const { return min_bits_; }
  std::int64_t max_bits() const { return max_bits_; }  // a larger budget does not lower the divergence
  double min_kld() const { return min_kld_; }

 private:
  // An option that no other option of its part dominates.
  struct Entry {
    FormatCost cost;
    std::size_t option = 0;
  };
  // From one corner of a part's lower convex hull to the next.
  struct Step {
    std::size_t part = 0, from = 0, to = 0;  // indices of the part and of its entries
    std::int64_t bits = 0;                   // added
    double saving = 0;                       // of divergence, per added bit
  };
  using Taken = std::vector<std::size_t>;  // by part: the index of the chosen entry
  struct Start;                            // the best known mix, the bound and the price
  struct Core;                             // the parts and options that the search must consider

  void add_steps(std::size_t part);
  Start start(std::int64_t budget) const;
  Core core(const Start& start, std::int64_t budget) const;
  bool improve(Start& start, std::int64_t budget, std::size_t max_states) const;
  FormatMix mix_of(const Taken& taken) const;

  std::vector<std::vector<Entry>> parts_;  // fewest bits first
  std::vector<Step> steps_;                // largest saving first
  std::int64_t min_bits_ = 0, max_bits_ = 0;
  double min_kld_ = 0;
};

}  // namespace fakequant
