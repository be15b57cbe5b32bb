#include "plan/format_choice.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fakequant {

// Entries chosen for the first parts of the core.
struct PartialMix {
  std::int64_t bits = 0;
  double kld = 0;
  double excess = 0;         // sum of the excesses of its entries at the price
  std::size_t previous = 0;  // index of the mix that it extends, in the previous stage
  std::size_t entry = 0;     // chosen for the last part
};

namespace {

constexpr std::size_t kFirstSearchStates = 200;  // enough to narrow the gap before the exact search
constexpr double kRounding = 1e-12;              // of sums in double, relative

// Removes dominated states.
void keep_pareto(std::vector<PartialMix>& states) {
  std::stable_sort(states.begin(), states.end(), [](const PartialMix& a, const PartialMix& b) {
    return a.bits != b.bits ? a.bits < b.bits : a.kld < b.kld;
  });
  double least = std::numeric_limits<double>::infinity();
  std::erase_if(states, [&](const PartialMix& state) {
    if (state.kld >= least) return true;
    least = state.kld;
    return false;
  });
}

// Keeps the `max_states` states of smallest excess. Returns whether it removed any.
bool keep_cheapest(std::vector<PartialMix>& states, std::size_t max_states) {
  if (states.size() <= max_states) return false;
  const auto middle = states.begin() + static_cast<std::ptrdiff_t>(max_states);
  std::nth_element(states.begin(), middle, states.end(), [](const PartialMix& a, const PartialMix& b) {
    return a.excess != b.excess ? a.excess < b.excess : a.bits < b.bits;
  });
  states.erase(middle, states.end());
  return true;
}

}  // namespace

struct FormatChoice::Start {
  Taken taken;
  std::int64_t bits = 0;
  double kld = 0;
  double price = 0;  // nats per bit
  double bound = 0;  // lower bound of the divergence within the budget
  bool is_best = false;
};

struct FormatChoice::Core {
  struct Option {
    std::size_t entry = 0;
    double excess = 0;
  };
  struct Part {
    std::size_t part = 0;
    std::vector<Option> options;  // smallest excess first
    std::int64_t min_bits = 0;
  };
  std::vector<Part> parts;  // with several candidates
  Taken taken;              // the entries of the other parts
  PartialMix fixed;         // the sums over the other parts
};

FormatChoice::FormatChoice(std::vector<std::vector<FormatCost>> parts) : parts_(parts.size()) {
  for (std::size_t p = 0; p < parts.size(); ++p) {
    std::vector<Entry> all;
    for (std::size_t o = 0; o < parts[p].size(); ++o) all.push_back({parts[p][o], o});
    std::stable_sort(all.begin(), all.end(), [](const Entry& a, const Entry& b) {
      return a.cost.bits != b.cost.bits ? a.cost.bits < b.cost.bits : a.cost.kld < b.cost.kld;
    });
    for (const auto& entry : all) {
      if (parts_[p].empty() || entry.cost.kld < parts_[p].back().cost.kld) parts_[p].push_back(entry);
    }
    min_bits_ += parts_[p].front().cost.bits;
    max_bits_ += parts_[p].back().cost.bits;
    min_kld_ += parts_[p].back().cost.kld;
    add_steps(p);
  }
  std::stable_sort(steps_.begin(), steps_.end(), [](const Step& a, const Step& b) { return a.saving > b.saving; });
}

// Adds the steps along the part's lower convex hull: from each corner to the entry with the largest saving per bit.
void FormatChoice::add_steps(std::size_t part) {
  const auto& entries = parts_[part];
  for (std::size_t from = 0; from + 1 < entries.size();) {
    Step best;
    for (std::size_t to = from + 1; to < entries.size(); ++to) {
      const auto bits = entries[to].cost.bits - entries[from].cost.bits;
      const double saving = (entries[from].cost.kld - entries[to].cost.kld) / static_cast<double>(bits);
      if (best.to == 0 || saving >= best.saving) best = {part, from, to, bits, saving};
    }
    // Rounding errors must not sort a later step before an earlier one.
    if (from > 0) best.saving = std::min(best.saving, steps_.back().saving);
    steps_.push_back(best);
    from = best.to;
  }
}

FormatMix FormatChoice::mix_of(const Taken& taken) const {
  FormatMix mix;
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    const auto& entry = parts_[p][taken[p]];
    mix.bits += entry.cost.bits;
    mix.kld += entry.cost.kld;
    mix.options.push_back(entry.option);
  }
  return mix;
}

// Greedy: takes the best steps that fit. The saving of the first step that does not fit is the price.
FormatChoice::Start FormatChoice::start(std::int64_t budget) const {
  Start start;
  start.taken.assign(parts_.size(), 0);
  start.bits = min_bits_;
  start.is_best = true;
  for (const auto& step : steps_) {
    if (start.taken[step.part] != step.from) continue;
    if (start.bits + step.bits > budget) {
      if (start.is_best) start.price = step.saving;
      start.is_best = false;
      continue;
    }
    start.taken[step.part] = step.to;
    start.bits += step.bits;
  }
  start.kld = mix_of(start.taken).kld;
  start.bound = -start.price * static_cast<double>(budget);
  for (const auto& entries : parts_) {
    double cheapest = std::numeric_limits<double>::infinity();
    for (const auto& [cost, option] : entries) {
      cheapest = std::min(cheapest, cost.kld + start.price * static_cast<double>(cost.bits));
    }
    start.bound += cheapest;
  }
  return start;
}

// Drops the options whose excess is larger than the gap: no better mix contains them.
FormatChoice::Core FormatChoice::core(const Start& start, std::int64_t budget) const {
  Core core;
  core.taken.assign(parts_.size(), 0);
  const double size = start.kld + start.price * static_cast<double>(budget);
  const double gap = start.kld - start.bound + kRounding * size;
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    const auto& entries = parts_[p];
    std::vector<Core::Option> options;
    for (std::size_t e = 0; e < entries.size(); ++e) {
      options.push_back({e, entries[e].cost.kld + start.price * static_cast<double>(entries[e].cost.bits)});
    }
    std::stable_sort(options.begin(), options.end(), [](const auto& a, const auto& b) { return a.excess < b.excess; });
    const double cheapest = options.front().excess;
    for (auto& option : options) option.excess -= cheapest;
    std::erase_if(options, [&](const auto& option) { return option.excess > gap; });
    if (options.size() == 1) {
      const auto& cost = entries[options.front().entry].cost;
      core.taken[p] = options.front().entry;
      core.fixed.bits += cost.bits;
      core.fixed.kld += cost.kld;
      continue;
    }
    auto fewest = std::numeric_limits<std::int64_t>::max();
    for (const auto& option : options) fewest = std::min(fewest, entries[option.entry].cost.bits);
    core.parts.push_back({p, std::move(options), fewest});
  }
  // Parts whose second option has a large excess come first: few partial mixes survive them.
  std::stable_sort(core.parts.begin(), core.parts.end(),
                   [](const auto& a, const auto& b) { return a.options[1].excess > b.options[1].excess; });
  return core;
}

// Searches for a better mix. Returns false if it dropped states beyond `max_states`: a better mix may then exist.
bool FormatChoice::improve(Start& start, std::int64_t budget, std::size_t max_states) const {
  auto core = this->core(start, budget);
  const double size = start.kld + start.price * static_cast<double>(budget);
  const double gap = start.kld - start.bound + kRounding * size;
  std::int64_t rest = 0;
  for (const auto& part : core.parts) rest += part.min_bits;
  bool is_all = true;
  std::vector<std::vector<PartialMix>> stages = {{core.fixed}};
  for (const auto& part : core.parts) {
    rest -= part.min_bits;
    std::vector<PartialMix> next;
    for (std::size_t s = 0; s < stages.back().size(); ++s) {
      const auto& state = stages.back()[s];
      for (const auto& option : part.options) {
        const double excess = state.excess + option.excess;
        if (excess > gap) break;
        const auto& cost = parts_[part.part][option.entry].cost;
        if (state.bits + cost.bits + rest > budget) continue;
        next.push_back({state.bits + cost.bits, state.kld + cost.kld, excess, s, option.entry});
      }
    }
    keep_pareto(next);
    if (keep_cheapest(next, max_states)) is_all = false;
    stages.push_back(std::move(next));
  }
  const auto& last = stages.back();
  if (last.empty()) return is_all;
  const auto best = std::min_element(last.begin(), last.end(), [](const PartialMix& a, const PartialMix& b) {
    return a.kld != b.kld ? a.kld < b.kld : a.bits < b.bits;
  });
  auto at = static_cast<std::size_t>(best - last.begin());
  for (std::size_t i = core.parts.size(); i > 0; --i) {
    const auto& state = stages[i][at];
    core.taken[core.parts[i - 1].part] = state.entry;
    at = state.previous;
  }
  const auto mix = mix_of(core.taken);
  if (mix.kld < start.kld || (mix.kld == start.kld && mix.bits < start.bits)) {
    start.taken = core.taken;
    start.bits = mix.bits;
    start.kld = mix.kld;
  }
  return is_all;
}

std::optional<FormatMix> FormatChoice::under_bits(std::int64_t max_bits) const {
  if (min_bits_ > max_bits) return std::nullopt;
  auto known = start(max_bits);
  if (!known.is_best && !improve(known, max_bits, kFirstSearchStates)) {
    improve(known, max_bits, std::numeric_limits<std::size_t>::max());
  }
  return mix_of(known.taken);
}

std::optional<FormatMix> FormatChoice::under_kld(double max_kld) const {
  auto best = under_bits(max_bits_);
  if (best->kld > max_kld) return std::nullopt;
  // Invariant: `low` bits are too few, those of `best` are enough.
  for (auto low = min_bits_ - 1; low + 1 < best->bits;) {
    const auto middle = low + (best->bits - low) / 2;
    auto mix = under_bits(middle);
    if (mix && mix->kld <= max_kld) {
      best = std::move(mix);
    } else {
      low = middle;
    }
  }
  return best;
}

ParetoFront FormatChoice::front(std::size_t max_mixes) const {
  ParetoFront front;
  auto& mixes = front.mixes;
  const auto add = [&](FormatMix mix) {
    if (!mixes.empty() && mix.bits == mixes.back().bits) return;
    while (!mixes.empty() && mix.kld <= mixes.back().kld) mixes.pop_back();  // equal up to rounding
    mixes.push_back(std::move(mix));
  };
  for (auto mix = under_bits(max_bits_); mix; mix = under_bits(mixes.back().bits - 1)) {
    add(std::move(*mix));
    if (mixes.size() > max_mixes) break;
  }
  if (mixes.size() > max_mixes) {
    front.is_whole = false;
    mixes.clear();
    const auto count = static_cast<std::int64_t>(std::max<std::size_t>(2, max_mixes / 2));
    for (std::int64_t i = count - 1; i >= 0; --i) {
      const double part = static_cast<double>(i) / static_cast<double>(count - 1);
      add(*under_bits(min_bits_ + static_cast<std::int64_t>(static_cast<double>(max_bits_ - min_bits_) * part)));
    }
  }
  std::reverse(mixes.begin(), mixes.end());
  return front;
}

}  // namespace fakequant
