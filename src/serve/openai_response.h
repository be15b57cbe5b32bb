// Answers in the shapes of OpenAI's API.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "report/json_file.h"
#include "serve/completion.h"
#include "serve/openai_request.h"
#include "serve/refusal.h"

namespace fakequant {

// On one line. What is not UTF-8 becomes the replacement character, and a number that is not finite null.
std::string line_of(const Json& json);

// {"error": ...}, of a response of this status.
Json error_json(int status, const std::string& message, const std::string& code = {}, const std::string& field = {});
std::string error_body(int status, const std::string& message);
std::string error_body(const Refusal& refusal);

// A server-sent event, and the one that ends a stream.
std::string event_of(const Json& json);
inline constexpr auto kLastEvent = "data: [DONE]\n\n";

// A token's text: "bytes:\xe2\x82" where it is only a part of a character, as OpenAI's API writes that.
std::string token_name(const Model& model, Token token);

// The characters of a text, of which continuations of UTF-8 count none.
std::size_t characters_in(std::string_view text);

// "stop", "length"; "overflow" is fakequant's own.
std::string finish_reason(CompletionEnd end);

// How likely the tokens of one answer were, as they come.
class LogProbabilities {
 public:
  // `top`: so many of the most likely tokens are named beside each.
  LogProbabilities(const Model& model, int top, bool is_chat) : model_(model), top_(top), is_chat_(is_chat) {}

  // The tokens of the prompt, of which the first has no expectation.
  void add_prompt(const RequestPrompt& prompt, std::span<const Expectation> expectations);

  // Where tokens that follow a prompt of so many characters begin.
  void start_after(std::size_t characters) { offset_ = characters; }

  void add(const Expectation& expectation);

  // Those added since the last call. Of a completion {text_offset, token_logprobs, tokens, top_logprobs}, of a chat
  // {content}.
  Json take();

 private:
  void add_entry(Token token, const Expectation* expectation, std::size_t characters);
  Json chat_entry(const TokenLogProbability& token) const;

  const Model& model_;
  int top_;
  bool is_chat_;
  std::size_t offset_ = 0;  // in characters of the whole text
  Json offsets_ = Json::array(), log_ps_ = Json::array(), tokens_ = Json::array(), tops_ = Json::array();
  Json content_ = Json::array();
};

}  // namespace fakequant
