// Requests in the shapes of OpenAI's API and, about the tokenizer, of vLLM's.
//
// A field that is not known is ignored, and one that cannot be followed is refused: a client is never answered as if
// what it asked for had been done. All functions throw a Refusal.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model.h"
#include "engine/sampler_options.h"
#include "report/json_file.h"

namespace fakequant {

// A prompt as the model reads it.
struct RequestPrompt {
  std::vector<Token> tokens;
  std::string text;           // as the client gave it; the text of its tokens where it gave these
  std::size_t unwritten = 0;  // tokens at the beginning that are not in the text: the BOS that the tokenizer adds
};

struct CompletionRequest {
  std::string model;  // empty where it names none
  std::vector<RequestPrompt> prompts;
  bool is_chat = false;
  bool echo = false;            // the prompt comes before the answer
  bool is_streamed = false;     // as server-sent events
  bool streams_usage = false;   // the last of which counts the tokens
  std::optional<int> logprobs;  // how many of the most likely tokens are named beside each; unset: nothing is said
  int max_tokens = 0;
  SamplerOptions sampler;
  std::vector<std::string> stops;
};

// What requests are about.
struct RequestedModel {
  const Model& model;
  int ctx_size = 0;  // tokens
};

CompletionRequest parse_completion(const Json& body, const RequestedModel& about);
CompletionRequest parse_chat(const Json& body, const RequestedModel& about);

// vLLM's /tokenize and /detokenize.
struct TokenizeRequest {
  std::string model;
  std::vector<Token> tokens;
  bool wants_texts = false;
};
TokenizeRequest parse_tokenize(const Json& body, const RequestedModel& about);
TokenizeRequest parse_detokenize(const Json& body, const RequestedModel& about);

}  // namespace fakequant
