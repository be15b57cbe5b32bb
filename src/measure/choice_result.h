// The results of `tasks`: plain data.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/arithmetic.h"
#include "measure/choice_tasks.h"

namespace fakequant {

// What a model answered to a task.
struct ChoiceAnswer {
  std::vector<double> scores;  // of each answer: the mean logarithm of the probability of a token of it
  std::optional<int> choice;   // the answer with the highest score; unset where a score is no number
  bool is_right = false;
};

// A fraction, and its 95 % interval.
struct ChoiceFraction {
  double value = 0, low = 0, high = 0;
};

// How a variant's answers differ from the baseline's.
struct ChoiceChanges {
  int flipped = 0;            // tasks with another answer
  int to_right = 0;           // of them, from a wrong answer to a right one
  int to_wrong = 0;           // from a right answer to a wrong one
  ChoiceFraction difference;  // of the accuracies, the variant's minus the baseline's, of the same tasks
  double p_value = 1;         // McNemar's exact test: how likely so unequal counts are where neither is better
};

struct ChoiceModel {
  std::string name;
  std::string recipe;
  double bits_per_weight = 0;
  int right = 0;            // tasks
  int overflows = 0;        // tasks without an answer, because a logit was NaN or infinite
  ChoiceFraction accuracy;  // Wilson's interval
  std::vector<ChoiceAnswer> answers;
  ChoiceChanges changes;  // of a variant
};

struct ChoiceResult {
  std::string model;
  TaskKind kind = TaskKind::hellaswag;
  std::string file;
  int threads = 0;
  Arithmetic arithmetic = Arithmetic::native;
  int ctx_size = 0;
  double chance = 0;  // the accuracy of answers drawn by chance
  std::vector<ChoiceTask> tasks;
  ChoiceModel baseline;
  std::vector<ChoiceModel> variants;
};

}  // namespace fakequant
