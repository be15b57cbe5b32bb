#include "sweep/local_errors.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "measure/local_error.h"
#include "sweep/weight_errors.h"

namespace fakequant {
namespace {

bool is_product(const Reader& reader) {
  return !reader.weight.empty() && (reader.operation == "MUL_MAT" || reader.operation == "MUL_MAT_ID");
}

class LocalErrors {
 public:
  LocalErrors(const LocalErrorRequest& request, Context& context) : request_(request), context_(context) {
    for (const auto& site : context_.sites()) {
      for (const auto& reader : site.readers) {
        if (is_product(reader)) input_of_[reader.weight] = site.site.name;
      }
    }
  }

  std::vector<double> find(const std::vector<Chunk>& chunks, const std::vector<Rule>& rules) {
    Recipe activations;
    std::vector<std::size_t> activation_indices;  // of the activation rules, in `rules`
    std::set<std::string> inputs;                 // of the products with rounded weights
    std::map<std::size_t, std::vector<PlannedRounding>> roundings;
    for (std::size_t r = 0; r < rules.size(); ++r) {
      if (rules[r].pattern.kind == SiteKind::activation) {
        activations.push_back(rules[r]);
        activation_indices.push_back(r);
        continue;
      }
      roundings[r] = plan_rounding(request_.file, {rules[r]}, request_.storage);
      for (const auto& rounding : roundings[r]) inputs.insert(input_of(rounding.tensor));
    }
    context_.set_recipe({});
    const LocalErrorMeter meter(
        context_, activations, [this](const ActivationSite& site) { return weights_of(site); },
        [&](const ActivationSite& site) { return inputs.contains(site.site.name); });
    for (const auto& chunk : chunks) {
      context_.clear(static_cast<std::uint32_t>(chunk.number));
      for (const auto& slice : request_.plan.slices) predict_slice(context_, chunk, slice, request_.threads);
    }
    context_.clear();
    std::vector<double> errors(rules.size());
    for (std::size_t i = 0; i < activation_indices.size(); ++i) {
      errors[activation_indices[i]] = meter.of_rules()[i].energy();
    }
    for (const auto& [rule, of_rule] : roundings) {
      for (const auto& rounding : of_rule) {
        errors[rule] += error_of(rounding, rules[rule].format, meter.shares()) / static_cast<double>(of_rule.size());
      }
    }
    return errors;
  }

 private:
  std::string input_of(std::size_t tensor) const {
    const auto found = input_of_.find(request_.file.tensors()[tensor].name);
    return found == input_of_.end() ? "" : found->second;
  }

  const std::vector<double>& energies_of(std::size_t tensor) {
    auto& energies = energies_[tensor];
    if (energies.empty()) energies = column_energies(request_.file, tensor, request_.threads);
    return energies;
  }

  // For each column of a site: the energy of the weights that products multiply it by. Empty if no product reads it.
  std::vector<double> weights_of(const ActivationSite& site) {
    std::vector<double> weights;
    for (const auto& reader : site.readers) {
      const auto* tensor = is_product(reader) ? request_.file.find_tensor(reader.weight) : nullptr;
      if (tensor == nullptr) continue;
      const auto& energies = energies_of(request_.file.index_of(*tensor));
      const bool is_row = std::any_of(site.shapes.begin(), site.shapes.end(), [&](const NodeShape& shape) {
        return shape[0] == static_cast<std::int64_t>(energies.size());
      });
      if (!is_row || (!weights.empty() && weights.size() != energies.size())) continue;
      weights.resize(energies.size());
      for (std::size_t c = 0; c < energies.size(); ++c) weights[c] += energies[c];
    }
    return weights;
  }

  double error_of(const PlannedRounding& rounding, const Format& format,
                  const std::map<std::string, ColumnShares>& shares) {
    const auto errors =
        column_errors(request_.file, rounding.tensor, format, files_.of(format), rounding.stored_as, request_.threads);
    const auto found = shares.find(input_of(rounding.tensor));
    const bool is_known = found != shares.end() && found->second.sums.size() == errors.energies.size();
    return product_error(errors, is_known ? found->second.sums : std::vector<double>{}).energy();
  }

  const LocalErrorRequest& request_;
  Context& context_;
  RoundingFiles files_;
  std::map<std::string, std::string> input_of_;          // by weight: the site that is the input of its product
  std::map<std::size_t, std::vector<double>> energies_;  // by tensor: the energies of its columns
};

}  // namespace

std::vector<double> find_local_errors(const LocalErrorRequest& request, Context& context,
                                      const std::vector<Chunk>& chunks, const std::vector<Rule>& rules) {
  return LocalErrors(request, context).find(chunks, rules);
}

}  // namespace fakequant
