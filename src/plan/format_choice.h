// The best mix of formats under a budget: for each part one of its options, so that the divergences add up to the least
// while the bits add up to no more than is given. That is the multiple-choice knapsack problem, and it is solved
// exactly.
//
// Were fractions of options allowed, the best mix would take the steps that save most divergence for each bit, down to
// a price lambda at which the budget is used up. At that price every option costs kld + lambda x bits, and what a
// choice costs above the cheapest option of its part, summed over the parts, is at least what it loses against that
// bound. So only mixes need be looked at that stay within the small gap between the bound and a mix that is known;
// they are listed part by part, without those that another list entry beats in both bits and divergence. (Pisinger, A
// minimal algorithm for the multiple-choice knapsack problem, European Journal of Operational Research 83, 1995, goes
// further the same way.)
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace fakequant {

// An option of a part.
struct FormatCost {
  std::int64_t bits = 0;
  double kld = 0;  // finite, nats
};

struct FormatMix {
  std::int64_t bits = 0;  // of all parts
  double kld = 0;
  std::vector<std::size_t> options;  // of each part the one that is taken
};

struct ParetoFront {
  std::vector<FormatMix> mixes;  // fewest bits first; none has another that is better in bits or divergence and no
                                 // worse in the other
  bool is_whole = true;          // or else some of them, from end to end
};

class FormatChoice {
 public:
  // Every part has an option at least.
  explicit FormatChoice(std::vector<std::vector<FormatCost>> parts);

  // The mix of least divergence that takes no more bits; of equal ones that of the fewest bits. None where even the
  // fewest bits are more.
  std::optional<FormatMix> under_bits(std::int64_t max_bits) const;

  // The mix of fewest bits that diverges no more; none where even the least divergence is more.
  std::optional<FormatMix> under_kld(double max_kld) const;

  // All mixes of which no other is better in both, or, where there are more than `max_mixes`, about half as many,
  // evenly distributed over the bits.
  ParetoFront front(std::size_t max_mixes) const;

  std::int64_t min_bits() const { return min_bits_; }
  std::int64_t max_bits() const { return max_bits_; }  // more make nothing better
  double min_kld() const { return min_kld_; }

 private:
  // An option of a part that no other of its options beats in both.
  struct Entry {
    FormatCost cost;
    std::size_t option = 0;
  };
  // From one corner of a part's lower convex hull to the next.
  struct Step {
    std::size_t part = 0, from = 0, to = 0;  // entries
    std::int64_t bits = 0;                   // more
    double saving = 0;                       // of divergence, for each bit
  };
  using Taken = std::vector<std::size_t>;  // of each part an entry
  struct Start;                            // a mix that is known, and the price
  struct Core;                             // what need be looked at

  void add_steps(std::size_t part);
  Start start(std::int64_t budget) const;
  Core core(const Start& start, std::int64_t budget) const;
  bool improve(Start& start, std::int64_t budget, std::size_t max_states) const;
  FormatMix mix_of(const Taken& taken) const;

  std::vector<std::vector<Entry>> parts_;  // fewest bits first
  std::vector<Step> steps_;                // those that save most for each bit first
  std::int64_t min_bits_ = 0, max_bits_ = 0;
  double min_kld_ = 0;
};

}  // namespace fakequant
