#include "measure/choice_scoring.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "error.h"
#include "measure/prediction.h"

namespace fakequant {
namespace {

constexpr double kQuantile = 1.95996398454;  // of the normal distribution, for 95 %

// The mean logarithms of the probabilities of each answer's tokens. What all share is read once.
ChoiceAnswer answer(Context& context, const TokenizedTask& task) {
  ChoiceAnswer result;
  context.clear();
  std::vector<float> after_shared;  // the logits
  for (const auto& choice : task.answers) {
    const std::span tokens(choice.tokens);
    std::size_t begin = task.shared;
    if (after_shared.empty() && begin > 0) {
      context.evaluate(tokens.first(begin));
      const auto logits = context.logits(begin - 1);
      after_shared.assign(logits.begin(), logits.end());
    } else if (!context.forget_from(static_cast<int>(begin))) {
      begin = 0;
    }
    // The logits after the token before a scored one say how likely it was.
    const auto first = std::max(choice.first - 1, begin);
    const auto rest = tokens.subspan(begin, choice.end - 1 - begin);
    if (!rest.empty()) context.evaluate(rest, {first - begin, choice.end - 1 - first});
    double sum = 0;
    for (auto at = choice.first; at < choice.end; ++at) {
      const auto logits = at - 1 < begin ? std::span<const float>(after_shared) : context.logits(at - 1 - begin);
      const auto prediction = predict(logits);
      sum += std::isfinite(prediction.log_sum) ? log_probability(logits, prediction, choice.tokens[at])
                                               : std::numeric_limits<double>::quiet_NaN();
    }
    result.scores.push_back(sum / static_cast<double>(choice.end - choice.first));
  }
  if (std::none_of(result.scores.begin(), result.scores.end(), [](double score) { return std::isnan(score); })) {
    int choice = 0;
    for (int i = 1; i < static_cast<int>(result.scores.size()); ++i) {
      const auto score = result.scores[static_cast<std::size_t>(i)];
      const auto best = result.scores[static_cast<std::size_t>(choice)];
      if (score > best || (task.last_wins_ties && score == best)) choice = i;
    }
    result.choice = choice;
  }
  return result;
}

// The variant's accuracy minus the baseline's, of tasks that both answered.
ChoiceFraction paired_difference(int to_right, int to_wrong, int count) {
  const double tasks = count, more = to_right - to_wrong;
  const double error = std::sqrt(std::max(to_right + to_wrong - more * more / tasks, 0.0)) / tasks;
  const double value = more / tasks;
  return {value, value - kQuantile * error, value + kQuantile * error};
}

ChoiceChanges changes_of(const ChoiceModel& baseline, const ChoiceModel& variant) {
  ChoiceChanges changes;
  for (std::size_t i = 0; i < baseline.answers.size(); ++i) {
    const auto& before = baseline.answers[i];
    const auto& after = variant.answers[i];
    changes.flipped += before.choice != after.choice ? 1 : 0;
    changes.to_right += !before.is_right && after.is_right ? 1 : 0;
    changes.to_wrong += before.is_right && !after.is_right ? 1 : 0;
  }
  changes.difference = paired_difference(changes.to_right, changes.to_wrong, static_cast<int>(baseline.answers.size()));
  changes.p_value = mcnemar_p_value(changes.to_right, changes.to_wrong);
  return changes;
}

void count_right(ChoiceModel& model) {
  for (const auto& given : model.answers) {
    model.right += given.is_right ? 1 : 0;
    model.overflows += given.choice ? 0 : 1;
  }
  model.accuracy = accuracy_of(model.right, static_cast<int>(model.answers.size()));
}

double chance_of(const std::vector<ChoiceTask>& tasks) {
  double sum = 0;
  for (const auto& task : tasks) {
    const auto right = std::count(task.is_right.begin(), task.is_right.end(), true);
    sum += static_cast<double>(right) / static_cast<double>(task.is_right.size());
  }
  return sum / static_cast<double>(tasks.size());
}

}  // namespace

ChoiceFraction accuracy_of(int right, int count) {
  const double tasks = count, value = right / tasks, z = kQuantile * kQuantile / tasks;
  const double width = z * std::sqrt(tasks * (4 * value * (1 - value) + z)) / (2 * kQuantile);
  return {value, (value + z / 2 - width) / (1 + z), (value + z / 2 + width) / (1 + z)};
}

double mcnemar_p_value(int to_right, int to_wrong) {
  const int changed = to_right + to_wrong, fewer = std::min(to_right, to_wrong);
  double tail = 0;
  for (int k = 0; k <= fewer; ++k) {
    tail += std::exp(std::lgamma(changed + 1.0) - std::lgamma(k + 1.0) - std::lgamma(changed - k + 1.0) -
                     changed * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

ChoiceResult answer_tasks(const std::vector<std::string>& model_files, const std::vector<Variant>& variants,
                          const ChoiceOptions& options, const Progress& progress) {
  ChoiceResult result;
  result.tasks = read_tasks(options.kind, options.file, options.most);
  LoadedModels models(model_files, options.compute);
  const auto& model = models.baseline();
  result.model = model.path();
  result.kind = options.kind;
  result.file = options.file;
  result.threads = options.compute.threads;
  result.arithmetic = options.compute.arithmetic;
  result.ctx_size = choose_ctx_size(model, options.ctx_size);
  result.chance = chance_of(result.tasks);
  std::vector<TokenizedTask> tokenized;
  for (const auto& task : result.tasks) {
    tokenized.push_back(tokenize(task, model));
    for (const auto& choice : tokenized.back().answers) {
      if (choice.tokens.size() <= static_cast<std::size_t>(result.ctx_size)) continue;
      throw Error(fmt::format("task {} has {} tokens, and the context holds {}: give a larger context size", task.item,
                              choice.tokens.size(), result.ctx_size));
    }
  }
  const auto of_context = context_options(result.ctx_size, options.compute);
  const auto baseline = models.open_baseline(of_context);
  const auto contexts = models.open(variants, of_context);
  result.baseline.name = "baseline";
  for (const auto& variant : variants) {
    result.variants.push_back({variant.name, variant.recipe, variant.bits_per_weight, 0, 0, {}, {}, {}});
  }
  for (std::size_t t = 0; t < tokenized.size(); ++t) {
    const auto add = [&](Context& context, ChoiceModel& to) {
      to.answers.push_back(answer(context, tokenized[t]));
      auto& given = to.answers.back();
      given.is_right = given.choice && result.tasks[t].is_right[static_cast<std::size_t>(*given.choice)];
    };
    add(*baseline, result.baseline);
    if (!result.baseline.answers.back().choice) {
      throw Error(fmt::format("a logit of the baseline is not a number: task {}", result.tasks[t].item));
    }
    for (std::size_t v = 0; v < contexts.size(); ++v) add(*contexts[v], result.variants[v]);
    if (progress) progress(static_cast<double>(t + 1) / static_cast<double>(tokenized.size()));
  }
  count_right(result.baseline);
  for (auto& variant : result.variants) {
    count_right(variant);
    variant.changes = changes_of(result.baseline, variant);
  }
  return result;
}

}  // namespace fakequant
