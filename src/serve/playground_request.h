// What a page of the playground asks for. All functions throw a Refusal.
#pragma once

#include <string>
#include <vector>

#include "recipe/rule.h"
#include "serve/openai_request.h"

namespace fakequant {

// The recipe that a variant is to have: `rules`, a list of texts as --rule takes them, or `recipe`, the text of a
// recipe file or "@NAME". No format may name a file, which would be the server's. `arithmetic`: of the server, which a
// recipe cannot change, and neither the cache's types.
Recipe parse_playground_recipe(const Json& body, Arithmetic arithmetic);

// The same question to the baseline and to the variant: a completion with a `prompt`, or a chat with `messages`, of
// which the variant's may differ (`variant_messages`): in it are the variant's own answers.
struct PlaygroundQuestion {
  CompletionRequest baseline, variant;  // with one prompt each
};
PlaygroundQuestion parse_playground_question(const Json& body, const RequestedModel& about);

// A `text` to measure on: its first tokens, at least two and as many as the context and one answer allow.
struct PlaygroundText {
  std::vector<Token> tokens;
  std::size_t all_tokens = 0;
};
PlaygroundText parse_playground_text(const Json& body, const RequestedModel& about);

}  // namespace fakequant
