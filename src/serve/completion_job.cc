#include "serve/completion_job.h"

#include <fmt/format.h>

#include <chrono>
#include <random>

#include "serve/completion.h"
#include "serve/generated_text.h"
#include "serve/openai_response.h"

namespace fakequant {
namespace {

std::string new_id(bool is_chat) {
  static thread_local std::mt19937_64 random{std::random_device{}()};
  return fmt::format("{}-{:016x}", is_chat ? "chatcmpl" : "cmpl", random());
}

std::int64_t unix_time() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Json usage(std::size_t prompt_tokens, std::size_t generated_tokens) {
  return {{"prompt_tokens", prompt_tokens},
          {"completion_tokens", generated_tokens},
          {"total_tokens", prompt_tokens + generated_tokens}};
}

}  // namespace

CompletionJob::CompletionJob(const ServedModels& models, CompletionRequest request, std::shared_ptr<Answer> answer,
                             Metrics& metrics, IsCancelled is_stopping)
    : models_(models),
      served_(models.find(request.model)),
      request_(std::move(request)),
      answer_(std::move(answer)),
      metrics_(metrics),
      is_stopping_(std::move(is_stopping)),
      id_(new_id(request_.is_chat)),
      created_(unix_time()) {}

bool CompletionJob::take_turn() {
  try {
    continue_prompt(next_++);
    if (answer_->is_cancelled() || is_stopping_()) return false;
    if (next_ < request_.prompts.size()) return true;
    finish();
  } catch (const std::exception&) {
    answer_->fail();
  }
  return false;
}

Json CompletionJob::beginning(bool is_chunk) const {
  Json json;
  json["id"] = id_;
  json["object"] = request_.is_chat ? (is_chunk ? "chat.completion.chunk" : "chat.completion") : "text_completion";
  json["created"] = created_;
  json["model"] = served_.name;
  return json;
}

void CompletionJob::send_chunk(Json choice) {
  auto chunk = beginning(true);
  chunk["choices"] = Json::array({std::move(choice)});
  answer_->write(event_of(chunk));
}

void CompletionJob::continue_prompt(std::size_t index) {
  const auto begin = std::chrono::steady_clock::now();
  const auto& prompt = request_.prompts[index];
  const auto& model = models_.model();
  const bool has_logprobs = request_.logprobs.has_value();
  LogProbabilities likely(model, request_.logprobs.value_or(0), request_.is_chat);
  GeneratedText text(request_.stops);
  std::string whole;  // of an answer that is not streamed
  Metrics::Work work;
  work.prompt_tokens = prompt.tokens.size();

  const auto choice = [&](const std::string& piece, bool is_chunk, const Json& reason) {
    Json json;
    json["index"] = index;
    if (!request_.is_chat) {
      json["text"] = piece;
    } else if (!is_chunk) {
      json["message"] = {{"role", "assistant"}, {"content", piece}};
    } else {
      json["delta"] = piece.empty() ? Json::object() : Json{{"content", piece}};
    }
    json["logprobs"] = has_logprobs ? likely.take() : Json(nullptr);
    json["finish_reason"] = reason;
    return json;
  };
  const auto send = [&](const std::string& piece) {
    if (!request_.is_streamed) {
      whole += piece;
    } else if (!piece.empty()) {
      send_chunk(choice(piece, true, nullptr));
    }
  };

  if (request_.is_chat && request_.is_streamed) {
    send_chunk({{"index", index},
                {"delta", {{"role", "assistant"}, {"content", ""}}},
                {"logprobs", nullptr},
                {"finish_reason", nullptr}});
  }
  const auto prompt_seen = [&](std::span<const Expectation> expectations) {
    if (!request_.echo) return;
    if (has_logprobs) likely.add_prompt(prompt, expectations);
    send(prompt.text);
  };
  const auto token_seen = [&](const Expectation& expectation) {
    ++work.generated_tokens;
    if (has_logprobs) likely.add(expectation);
    const auto token = expectation.came.token;
    if (model.ends_generation(token)) return false;
    send(text.add(model.text({token})));
    return !text.has_stopped();
  };
  const Continuation asked{prompt.tokens, request_.echo && has_logprobs, request_.max_tokens, request_.sampler};
  if (!request_.echo) likely.start_after(characters_in(prompt.text));
  const auto end = complete(
      *served_.reader, asked, models_.ctx_size(), [&] { return answer_->is_cancelled() || is_stopping_(); },
      prompt_seen, token_seen);
  send(text.finish());
  if (request_.is_streamed) {
    send_chunk(choice("", true, finish_reason(end)));
  } else {
    choices_ += (choices_.empty() ? "" : ",") + line_of(choice(whole, false, finish_reason(end)));
  }

  prompt_tokens_ += work.prompt_tokens;
  generated_tokens_ += work.generated_tokens;
  work.reused_tokens = served_.reader->reused();
  work.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  metrics_.add_work(served_.name, work);
}

void CompletionJob::finish() {
  const auto counted = usage(prompt_tokens_, generated_tokens_);
  auto json = beginning(request_.is_streamed);
  if (request_.is_streamed) {
    if (request_.streams_usage) {
      json["choices"] = Json::array();
      json["usage"] = counted;
      answer_->write(event_of(json));
    }
    answer_->write(kLastEvent);
  } else {
    auto begin = line_of(json);
    begin.pop_back();
    answer_->write(begin + ",\"choices\":[" + choices_ + "],\"usage\":" + line_of(counted) + "}");
  }
  answer_->end();
}

}  // namespace fakequant
