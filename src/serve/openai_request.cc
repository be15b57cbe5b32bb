#include "serve/openai_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>

#include "measure/prediction.h"
#include "serve/refusal.h"
#include "serve/request_fields.h"

namespace fakequant {
namespace {

// More than a harness sends together, and less than would fill the memory with answers.
constexpr std::size_t kMaxPrompts = 2048;
constexpr std::size_t kMaxTokens = std::size_t{1} << 18;  // of all prompts of a request
constexpr std::size_t kMaxStops = 64;
constexpr int kUsualCompletion = 16;  // tokens, as OpenAI's API has it

// Fields that would change the answer in a way that it is not changed here.
void refuse_unsupported(const Json& body) {
  const auto is_one = [](const Json& value) { return integer_in(value) == 1; };
  for (const auto* name : {"n", "best_of"}) {
    const auto* field = find_field(body, name);
    if (field != nullptr && !is_one(*field)) throw not_a(name, "1: a prompt has one answer");
  }
  for (const auto* name : {"suffix", "logit_bias", "tools", "functions", "audio"}) {
    const auto* field = find_field(body, name);
    const bool is_empty_text = field != nullptr && field->is_string() && field->get_ref<const std::string&>().empty();
    if (field == nullptr || (field->is_structured() && field->empty()) || is_empty_text) continue;
    throw bad_request(fmt::format("'{}' is not supported: leave it out", name));
  }
  const auto* format = find_field(body, "response_format");
  if (format != nullptr && !(format->is_object() && format->value("type", Json()) == "text")) {
    throw bad_request("'response_format' is not supported, other than of type \"text\": leave it out");
  }
}

// OpenAI's seeds are any integers, llama.cpp's have 32 bits.
std::uint32_t seed_of(const Json& body) {
  constexpr auto kLowest = std::numeric_limits<std::int64_t>::min(),
                 kHighest = std::numeric_limits<std::int64_t>::max();
  if (const auto seed = integer_field(body, "seed", kLowest, kHighest)) {
    return static_cast<std::uint32_t>(static_cast<std::uint64_t>(*seed) % (std::uint64_t{kHighestSeed} + 1));
  }
  static thread_local std::random_device device;
  return std::min(static_cast<std::uint32_t>(device()), kHighestSeed);
}

SamplerOptions sampler_of(const Json& body) {
  constexpr int kMostK = 1 << 30;
  SamplerOptions options;
  options.temperature = number_field(body, "temperature", 1, 0, 100);
  options.top_p = number_field(body, "top_p", 1, 0, 1);
  options.min_p = number_field(body, "min_p", 0, 0, 1);
  options.top_k = static_cast<int>(integer_field(body, "top_k", -1, kMostK).value_or(0));
  options.frequency_penalty = number_field(body, "frequency_penalty", 0, -2, 2);
  options.presence_penalty = number_field(body, "presence_penalty", 0, -2, 2);
  options.repeat_penalty = number_field(body, "repetition_penalty", 1, 0.01, 100);
  options.seed = seed_of(body);
  return options;
}

std::vector<std::string> stops_of(const Json& body) {
  const auto* field = find_field(body, "stop");
  if (field == nullptr) return {};
  std::vector<std::string> stops;
  const auto add = [&](const Json& stop) {
    if (!stop.is_string() || stop.get_ref<const std::string&>().empty())
      throw not_a("stop", "texts that are not empty");
    stops.push_back(stop.get<std::string>());
  };
  if (field->is_array()) {
    if (field->size() > kMaxStops) throw not_a("stop", fmt::format("at most {} texts", kMaxStops));
    for (const auto& stop : *field) add(stop);
  } else {
    add(*field);
  }
  return stops;
}

std::vector<Token> tokens_of_ids(const Json& ids, const char* name, const Model& model) {
  if (ids.size() > kMaxTokens) throw bad_request(fmt::format("'{}' has more than {} tokens", name, kMaxTokens));
  std::vector<Token> tokens;
  tokens.reserve(ids.size());
  for (const auto& id : ids) {
    const auto value = integer_in(id);
    if (!value || *value < 0 || *value >= model.vocabulary_size()) {
      throw bad_request(
          fmt::format("'{}' holds what is no token: they are numbers from 0 to {}", name, model.vocabulary_size() - 1));
    }
    tokens.push_back(static_cast<Token>(*value));
  }
  return tokens;
}

void check_size(const RequestPrompt& prompt, int ctx_size) {
  if (prompt.tokens.empty()) throw bad_request("a prompt has no tokens");
  if (prompt.tokens.size() > static_cast<std::size_t>(ctx_size)) {
    throw Refusal(400,
                  fmt::format("a prompt has {} tokens, and the context holds {}: shorten the prompt, or serve with a "
                              "larger context size",
                              prompt.tokens.size(), ctx_size),
                  "context_length_exceeded");
  }
}

RequestPrompt prompt_of_text(const std::string& text, bool with_bos, const RequestedModel& about) {
  check_text(text);
  RequestPrompt prompt{about.model.tokenize(text, with_bos, true), text};
  const bool has_bos =
      with_bos && about.model.adds_bos() && !prompt.tokens.empty() && prompt.tokens.front() == about.model.bos();
  prompt.unwritten = has_bos ? 1 : 0;
  check_size(prompt, about.ctx_size);
  return prompt;
}

RequestPrompt prompt_of_ids(const Json& ids, const RequestedModel& about) {
  RequestPrompt prompt{tokens_of_ids(ids, "prompt", about.model), {}};
  check_size(prompt, about.ctx_size);
  prompt.text = about.model.detokenize(prompt.tokens);
  return prompt;
}

// A text, a list of texts, a list of tokens, or a list of such lists.
std::vector<RequestPrompt> prompts_in(const Json& body, const RequestedModel& about) {
  const auto* field = find_field(body, "prompt");
  if (field == nullptr) throw bad_request("there is no 'prompt'");
  const bool with_bos = flag_field(body, "add_special_tokens", true);
  if (field->is_string()) return {prompt_of_text(field->get<std::string>(), with_bos, about)};
  if (!field->is_array() || field->empty()) throw not_a("prompt", "a text, tokens, or a list of either");
  if (field->front().is_number()) return {prompt_of_ids(*field, about)};
  if (field->size() > kMaxPrompts) throw not_a("prompt", fmt::format("at most {} prompts", kMaxPrompts));
  std::vector<RequestPrompt> prompts;
  std::size_t tokens = 0;
  for (const auto& prompt : *field) {
    if (prompt.is_string()) {
      prompts.push_back(prompt_of_text(prompt.get<std::string>(), with_bos, about));
    } else if (prompt.is_array()) {
      prompts.push_back(prompt_of_ids(prompt, about));
    } else {
      throw not_a("prompt", "a text, tokens, or a list of either");
    }
    tokens += prompts.back().tokens.size();
    if (tokens > kMaxTokens) throw bad_request(fmt::format("the prompts have more than {} tokens", kMaxTokens));
  }
  return prompts;
}

// What completions and chats share.
CompletionRequest parse_shared(const Json& body) {
  refuse_unsupported(body);
  CompletionRequest request;
  request.model = text_field(body, "model");
  request.is_streamed = flag_field(body, "stream", false);
  if (const auto* options = find_field(body, "stream_options")) {
    if (!options->is_object()) throw not_a("stream_options", "an object");
    request.streams_usage = flag_field(*options, "include_usage", false);
  }
  request.sampler = sampler_of(body);
  request.stops = stops_of(body);
  return request;
}

// The text of a message: a string, or parts that are texts.
std::string content_of(const Json& message) {
  const auto* content = find_field(message, "content");
  if (content == nullptr) return {};
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array()) throw not_a("content", "a text or a list of parts");
  std::string text;
  for (const auto& part : *content) {
    if (!part.is_object() || part.value("type", Json()) != "text")
      throw not_a("content", "made of parts of type \"text\"");
    text += text_field(part, "text");
  }
  return text;
}

std::vector<ChatMessage> messages_in(const Json& body) {
  const auto* field = find_field(body, "messages");
  if (field == nullptr || !field->is_array() || field->empty()) throw not_a("messages", "a list of messages");
  if (field->size() > kMaxPrompts) throw not_a("messages", fmt::format("at most {} messages", kMaxPrompts));
  std::vector<ChatMessage> messages;
  for (const auto& message : *field) {
    if (!message.is_object()) throw not_a("messages", "a list of objects");
    messages.push_back({text_field(message, "role"), content_of(message)});
    if (messages.back().role.empty()) throw bad_request("a message has no 'role'");
    check_text(messages.back().role);
    check_text(messages.back().content);
  }
  return messages;
}

// The messages in the model's template, as the model reads them.
RequestPrompt prompt_of_messages(const std::vector<ChatMessage>& messages, const Model& model) {
  RequestPrompt prompt;
  try {
    prompt.text = model.chat_prompt(messages);
  } catch (const Error& error) {
    throw bad_request(error.what());
  }
  prompt.tokens = model.tokenize(prompt.text, true, true);
  // Some templates write the BOS that the tokenizer then writes again.
  auto& tokens = prompt.tokens;
  const bool is_bos_twice =
      model.adds_bos() && tokens.size() > 1 && tokens[0] == model.bos() && tokens[1] == model.bos();
  if (is_bos_twice) tokens.erase(tokens.begin());
  return prompt;
}

}  // namespace

CompletionRequest parse_completion(const Json& body, const RequestedModel& about) {
  auto request = parse_shared(body);
  request.echo = flag_field(body, "echo", false);
  if (const auto top = integer_field(body, "logprobs", 0, kTopTokens)) request.logprobs = static_cast<int>(*top);
  request.max_tokens = static_cast<int>(
      integer_field(body, "max_tokens", 0, std::numeric_limits<int>::max()).value_or(kUsualCompletion));
  request.prompts = prompts_in(body, about);
  return request;
}

CompletionRequest parse_chat(const Json& body, const RequestedModel& about) {
  auto request = parse_shared(body);
  request.is_chat = true;
  const auto top = integer_field(body, "top_logprobs", 0, kTopTokens);
  if (flag_field(body, "logprobs", false)) {
    request.logprobs = static_cast<int>(top.value_or(0));
  } else if (top) {
    throw bad_request("'top_logprobs' needs 'logprobs'");
  }
  constexpr auto kMost = std::numeric_limits<int>::max();
  auto limit = integer_field(body, "max_completion_tokens", 1, kMost);
  if (!limit) limit = integer_field(body, "max_tokens", 1, kMost);
  request.max_tokens = static_cast<int>(limit.value_or(about.ctx_size));
  request.prompts.push_back(prompt_of_messages(messages_in(body), about.model));
  check_size(request.prompts.front(), about.ctx_size);
  return request;
}

TokenizeRequest parse_tokenize(const Json& body, const RequestedModel& about) {
  TokenizeRequest request;
  request.model = text_field(body, "model");
  request.wants_texts = flag_field(body, "return_token_strs", false);
  if (find_field(body, "messages") != nullptr) {
    request.tokens = prompt_of_messages(messages_in(body), about.model).tokens;
    return request;
  }
  if (find_field(body, "prompt") == nullptr) throw bad_request("there is no 'prompt'");
  request.tokens = about.model.tokenize(text_field(body, "prompt"), flag_field(body, "add_special_tokens", true), true);
  return request;
}

TokenizeRequest parse_detokenize(const Json& body, const RequestedModel& about) {
  TokenizeRequest request;
  request.model = text_field(body, "model");
  const auto* tokens = find_field(body, "tokens");
  if (tokens == nullptr || !tokens->is_array()) throw not_a("tokens", "a list of tokens");
  request.tokens = tokens_of_ids(*tokens, "tokens", about.model);
  return request;
}

}  // namespace fakequant
