// Which answers a baseline and its variants give to the same questions, and whether a variant's differ by more than
// chance. An accuracy alone hides answers that change both ways: these are counted too.
#pragma once

#include <string>
#include <vector>

#include "engine/compute_options.h"
#include "measure/choice_result.h"
#include "measure/variant.h"
#include "progress.h"

namespace fakequant {

struct ChoiceOptions {
  TaskKind kind = TaskKind::hellaswag;
  std::string file;
  int most = 0;      // tasks; 0: all
  int ctx_size = 0;  // tokens; 0: min(512, what the model was trained for)
  ComputeOptions compute;
};

// Throws an Error as read_tasks and tokenize do, where a task is longer than the context, where a logit of the baseline
// is not a number, or a model cannot be run.
ChoiceResult answer_tasks(const std::vector<std::string>& model_files, const std::vector<Variant>& variants,
                          const ChoiceOptions& options, const Progress& progress);

// Wilson's 95 % score interval of `right` of `count`, as llama-perplexity prints it.
ChoiceFraction accuracy_of(int right, int count);

// McNemar's exact two-sided test: the probability, where both ways are equally likely, of counts that differ at least
// as much.
double mcnemar_p_value(int to_right, int to_wrong);

}  // namespace fakequant
