// Questions with several answers of which one is right, in the files that llama-perplexity reads.
//
// Source: tools/perplexity/perplexity.cpp of llama.cpp: hellaswag_score, load_winogrande_from_csv and
// multiple_choice_score, which also say where such files can be had.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/model.h"

namespace fakequant {

enum class TaskKind { hellaswag, winogrande, multiple_choice };

// "hellaswag", "winogrande", "multiple-choice".
std::string to_string(TaskKind kind);

// A question, and the whole text with each of its answers.
struct ChoiceTask {
  int item = 0;                     // its place in the file, from 0
  std::vector<std::string> texts;   // with each answer; at least two
  std::vector<std::string> before;  // of Winogrande: each text up to the end of the answer; empty of others
  std::vector<bool> is_right;       // of each answer
};

// Reads a file: of HellaSwag six lines for each task (context, number of the right ending, four endings), of Winogrande
// CSV (number, sentence with a "_", two choices, 1 or 2), of multiple choice the binary form. `most`: so many of them,
// those that llama-perplexity selects when it is asked for as many; 0: all. They come in the order in which it computes
// them. (Of a Winogrande file that ends with one newline it leaves the last row out, which is read here.) Throws an
// Error that says where the file is not sound.
std::vector<ChoiceTask> read_tasks(TaskKind kind, const std::string& path, int most);

// An answer as it is scored: the mean of the logarithms of the probabilities of tokens [first, end).
struct ChoiceTokens {
  std::vector<Token> tokens;
  std::size_t first = 0, end = 0;
};

// The tokens of a task, and how many of them at the beginning all answers share.
struct TokenizedTask {
  std::vector<ChoiceTokens> answers;
  std::size_t shared = 0;
  bool last_wins_ties = false;  // of equal scores the last counts, not the first
};

// As llama-perplexity scores: HellaSwag and multiple choice all tokens from the first that differs; Winogrande what
// follows the choice, where that is more than three tokens with both, and then not the last. (Where it is less,
// llama-perplexity scores the second choice's first token by the logits of another place, which its source marks as to
// be fixed; here it is scored by its own.) Throws an Error where an answer adds no token.
TokenizedTask tokenize(const ChoiceTask& task, const Model& model);

}  // namespace fakequant
