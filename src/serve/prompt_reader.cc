#include "serve/prompt_reader.h"

#include <algorithm>

#include "parallel.h"

namespace fakequant {

Expectation expectation_of(std::span<const float> logits, const Prediction& prediction, Token came) {
  Expectation expectation;
  expectation.came = {came, log_probability(logits, prediction, came)};
  for (std::size_t i = 0; i < kTopTokens; ++i) {
    const auto token = prediction.top[i];
    expectation.top[i] = {token, token < 0 ? 0 : log_probability(logits, prediction, token)};
  }
  return expectation;
}

// The blocks at the prompt's beginning that were read before, its last block never being one.
std::size_t PromptReader::reusable_blocks(std::span<const Token> prompt, bool is_scored) const {
  const std::size_t most = (prompt.size() - 1) / kBlock;
  std::size_t blocks = 0;
  for (; blocks < most; ++blocks) {
    const auto begin = blocks * kBlock, end = begin + kBlock;
    if (end > held_.size()) break;
    if (!std::equal(prompt.begin() + static_cast<std::ptrdiff_t>(begin),
                    prompt.begin() + static_cast<std::ptrdiff_t>(end),
                    held_.begin() + static_cast<std::ptrdiff_t>(begin))) {
      break;
    }
    // The last token's expectation is about the token that came after the block.
    const bool is_same_after = end < held_.size() && held_[end] == prompt[end];
    if (is_scored && !(is_scored_[blocks] && is_same_after)) break;
  }
  return blocks;
}

bool PromptReader::read(std::span<const Token> prompt, bool is_scored, const IsCancelled& is_cancelled) {
  auto blocks = reusable_blocks(prompt, is_scored);
  if (!context_.forget_from(static_cast<int>(blocks * kBlock))) blocks = 0;
  reused_ = blocks * kBlock;
  held_.resize(reused_);
  is_scored_.resize(blocks);
  expectations_.resize(reused_);
  for (auto begin = reused_; begin < prompt.size(); begin += kBlock) {
    if (is_cancelled()) return false;
    const auto piece = prompt.subspan(begin, std::min<std::size_t>(kBlock, prompt.size() - begin));
    const auto end = begin + piece.size();
    const bool is_last = end == prompt.size();
    OutputRange outputs;
    if (is_scored) {
      outputs = {0, piece.size()};
    } else if (is_last) {
      outputs = {piece.size() - 1, 1};
    }
    context_.evaluate(piece, outputs);
    last_ = piece.size() - 1;
    held_.insert(held_.end(), piece.begin(), piece.end());
    is_scored_.push_back(is_scored);
    const auto scored = std::min(end, prompt.size() - 1);  // nothing comes after the last
    expectations_.resize(scored);
    if (!is_scored) continue;
    std::vector<std::span<const float>> logits;
    for (auto at = begin; at < scored; ++at) logits.push_back(context_.logits(at - begin));
    parallel_for(static_cast<std::int64_t>(logits.size()), threads_, [&](std::int64_t i) {
      const auto& values = logits[static_cast<std::size_t>(i)];
      const auto at = begin + static_cast<std::size_t>(i);
      expectations_[at] = expectation_of(values, predict(values), prompt[at + 1]);
    });
  }
  return true;
}

void PromptReader::read_next(Token token) {
  context_.evaluate({&token, 1});
  last_ = 0;
}

}  // namespace fakequant
