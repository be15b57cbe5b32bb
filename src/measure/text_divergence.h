// What a variant makes of one short text: its divergence from the baseline at each token. Unlike `eval`, which scores
// the second half of each chunk, every prediction counts: a text of some lines has few.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "engine/context.h"
#include "measure/chunk_scoring.h"
#include "measure/score_quantities.h"

namespace fakequant {

// A text, with the baseline's predictions once they are known. They are kept where they take little memory: variants
// that are measured one after the other need them again.
class BaselineText {
 public:
  static constexpr std::size_t kMaxKept = std::size_t{128} << 20;  // bytes

  // At least two tokens.
  explicit BaselineText(std::vector<Token> tokens);
  BaselineText(const BaselineText&) = delete;  // its slices hold addresses in it
  BaselineText& operator=(const BaselineText&) = delete;

  const std::vector<Token>& tokens() const { return tokens_; }

  // Of 64 tokens each, one after the other.
  const std::vector<ChunkSlice>& slices() const { return slices_; }

  // Before the slices are predicted, in their order; the context forgets what it held.
  void begin(Context& baseline);
  // That of this index; valid until the next is predicted. Throws as predict_slice does.
  const BaselineSlice& predict(Context& baseline, std::size_t slice, int threads);

 private:
  void keep(BaselineSlice slice);

  std::vector<Token> tokens_;
  std::vector<ChunkSlice> slices_;
  std::vector<BaselineSlice> kept_;         // of the first slices
  std::vector<std::vector<float>> logits_;  // theirs
  BaselineSlice current_;                   // one that is not kept
};

struct TextDivergence {
  std::int64_t predictions = 0;
  Estimate baseline_ppl;
  DivergenceFigures figures;  // of the variant; all NaN where it overflowed
  bool has_overflowed = false;
};

// Both contexts must hold the text and take 64 tokens and outputs together; they forget what they held before. Unset
// where it was cancelled. Throws as Context::evaluate does, and where the baseline's logits are not numbers.
std::optional<TextDivergence> text_divergence(Context& baseline, BaselineText& text, Context& variant, int threads,
                                              const std::function<bool()>& is_cancelled);

}  // namespace fakequant
