#include "serve/openai_response.h"

#include <fmt/format.h>
#include <utf8.h>

#include <algorithm>
#include <utility>

namespace fakequant {
namespace {

bool is_valid_utf8(std::string_view text) { return utf8::is_valid(text.begin(), text.end()); }

Json bytes_of(std::string_view text) {
  auto bytes = Json::array();
  for (const char c : text) bytes.push_back(static_cast<unsigned char>(c));
  return bytes;
}

}  // namespace

std::string line_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json error_json(int status, const std::string& message, const std::string& code, const std::string& field) {
  Json error;
  error["message"] = message;
  error["type"] = status < 500 ? "invalid_request_error" : "server_error";
  error["param"] = text_or_null(field);
  error["code"] = text_or_null(code);
  return {{"error", error}};
}

std::string error_body(int status, const std::string& message) { return line_of(error_json(status, message)); }

std::string error_body(const Refusal& refusal) {
  return line_of(error_json(refusal.status, refusal.what(), refusal.code, refusal.field));
}

std::string event_of(const Json& json) { return "data: " + line_of(json) + "\n\n"; }

std::string token_name(const Model& model, Token token) {
  auto text = model.text({token});
  if (is_valid_utf8(text)) return text;
  std::string name = "bytes:";
  for (const char c : text) name += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return name;
}

std::size_t characters_in(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string finish_reason(CompletionEnd end) {
  switch (end) {
    case CompletionEnd::stop:
      return "stop";
    case CompletionEnd::length:
      return "length";
    case CompletionEnd::overflow:
      return "overflow";
    case CompletionEnd::cancelled:
      break;
  }
  return "cancelled";
}

void LogProbabilities::add_prompt(const RequestPrompt& prompt, std::span<const Expectation> expectations) {
  std::vector<std::string> pieces;
  std::string joined;
  for (std::size_t i = 0; i < prompt.tokens.size(); ++i) {
    pieces.push_back(i < prompt.unwritten ? std::string() : model_.text({prompt.tokens[i]}));
    joined += pieces.back();
  }
  // Some tokenizers put a space before a text.
  if (joined.size() == prompt.text.size() + 1 && joined.front() == ' ' && joined.ends_with(prompt.text)) {
    const auto first = std::find_if(pieces.begin(), pieces.end(), [](const auto& piece) { return !piece.empty(); });
    first->erase(0, 1);
  }
  for (std::size_t i = 0; i < prompt.tokens.size(); ++i) {
    add_entry(prompt.tokens[i], i == 0 ? nullptr : &expectations[i - 1], characters_in(pieces[i]));
  }
  offset_ = characters_in(prompt.text);
}

void LogProbabilities::add(const Expectation& expectation) {
  const auto token = expectation.came.token;
  add_entry(token, &expectation, model_.ends_generation(token) ? 0 : characters_in(model_.text({token})));
}

void LogProbabilities::add_entry(Token token, const Expectation* expectation, std::size_t characters) {
  if (is_chat_) {
    auto entry = chat_entry(expectation->came);
    entry["top_logprobs"] = Json::array();
    for (int i = 0; i < top_; ++i) {
      const auto& likely = expectation->top[static_cast<std::size_t>(i)];
      if (likely.token >= 0) entry["top_logprobs"].push_back(chat_entry(likely));
    }
    content_.push_back(std::move(entry));
    return;
  }
  const auto name = token_name(model_, token);
  tokens_.push_back(name);
  offsets_.push_back(offset_);
  offset_ += characters;
  if (expectation == nullptr) {
    log_ps_.push_back(nullptr);
    tops_.push_back(nullptr);
    return;
  }
  log_ps_.push_back(expectation->came.log_p);
  // Of tokens with the same text the most likely counts. The one that came is named in any case.
  auto tops = Json::object();
  for (int i = 0; i < top_; ++i) {
    const auto& likely = expectation->top[static_cast<std::size_t>(i)];
    if (likely.token >= 0) tops.emplace(token_name(model_, likely.token), likely.log_p);
  }
  tops.emplace(name, expectation->came.log_p);
  tops_.push_back(std::move(tops));
}

Json LogProbabilities::chat_entry(const TokenLogProbability& token) const {
  Json entry;
  entry["token"] = token_name(model_, token.token);
  entry["logprob"] = token.log_p;
  entry["bytes"] = bytes_of(model_.text({token.token}));
  return entry;
}

Json LogProbabilities::take() {
  Json result;
  const auto taken = [](Json& list) { return std::exchange(list, Json::array()); };
  if (is_chat_) {
    result["content"] = taken(content_);
    return result;
  }
  result["text_offset"] = taken(offsets_);
  result["token_logprobs"] = taken(log_ps_);
  result["tokens"] = taken(tokens_);
  result["top_logprobs"] = taken(tops_);
  return result;
}

}  // namespace fakequant
