// The same question to the baseline and to a variant, answered token by token side by side. At each token that the
// variant writes, the baseline is asked what it would have expected there, after the same text.
#pragma once

#include "serve/answer.h"
#include "serve/playground_request.h"
#include "serve/prompt_reader.h"

namespace fakequant {

// The readers that do it: the baseline's, which writes its own answer, another of the baseline, which reads what the
// variant writes, and the variant's.
struct LockstepReaders {
  PromptReader& baseline;
  PromptReader& follower;
  PromptReader& variant;
};

// Writes the events into `answer` until both have ended, or `is_cancelled`. Throws as Context::evaluate does.
//
//   {"side": "baseline", "text": " a", "finish_reason": null}
//   {"side": "variant", "text": " b", "token": " b", "baseline": 0.3, "variant": 0.4, "kld": 0.01,
//    "alternatives": [{"token": " a", "baseline": 0.5, "variant": 0.2}, ...], "finish_reason": null}
//
// An answer is the texts of its events. `baseline` and `variant` are the probabilities that both give to the token, and
// the alternatives are the most likely tokens of either. `kld` is in nats; null where a side's logits are not numbers.
void answer_in_lockstep(const LockstepReaders& readers, const PlaygroundQuestion& question, int ctx_size,
                        Answer& answer, const IsCancelled& is_cancelled);

}  // namespace fakequant
