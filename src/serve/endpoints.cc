#include "serve/endpoints.h"

#include <chrono>

#include "serve/completion_job.h"
#include "serve/openai_request.h"
#include "serve/openai_response.h"
#include "serve/refusal.h"

namespace fakequant {
namespace {

constexpr std::string_view kModelsPath = "/v1/models/";

Json describe(const ServedModel& served, int ctx_size) {
  Json json;
  json["id"] = served.name;
  json["object"] = "model";
  json["created"] = 0;
  json["owned_by"] = "fakequant";
  json["max_model_len"] = ctx_size;
  json["recipe"] = text_or_null(served.recipe);
  json["bits_per_weight"] = served.recipe.empty() ? Json(nullptr) : Json(served.bits_per_weight);
  return json;
}

Refusal no_such_path(const std::string& path) { return {404, "there is nothing at " + path, "not_found"}; }

// Runs what makes a reply; a request that is wrong becomes one too.
template <typename Work>
Reply reply_of(const Work& work) {
  try {
    return work();
  } catch (const Refusal& refusal) {
    return {.status = refusal.status, .body = error_body(refusal.status, refusal.what(), refusal.code)};
  } catch (const Error& error) {
    return {.status = 400, .body = error_body(400, error.what())};
  }
}

}  // namespace

Reply Endpoints::get(const std::string& path) const {
  return reply_of([&]() -> Reply {
    if (path == "/health") return {.body = "{\"status\":\"ok\"}"};
    if (path == "/metrics") return {.type = "text/plain; version=0.0.4", .body = metrics_.text(queue_.size())};
    if (path == "/v1/models") return list_models();
    if (path.starts_with(kModelsPath)) return describe_model(path.substr(kModelsPath.size()));
    if (path == "/tokenizer_info") return tokenizer_info();
    throw no_such_path(path);
  });
}

Reply Endpoints::post(const std::string& path, const std::string& body) {
  return reply_of([&]() -> Reply {
    if (path == "/v1/completions") return complete(body, false);
    if (path == "/v1/chat/completions") return complete(body, true);
    if (path == "/tokenize") return tokenize(body);
    if (path == "/detokenize") return detokenize(body);
    throw no_such_path(path);
  });
}

Reply Endpoints::list_models() const {
  Json json;
  json["object"] = "list";
  json["data"] = Json::array();
  for (const auto& served : models_.all()) json["data"].push_back(describe(served, models_.ctx_size()));
  return {.body = line_of(json)};
}

Reply Endpoints::describe_model(const std::string& name) const {
  return {.body = line_of(describe(models_.find(name), models_.ctx_size()))};
}

Reply Endpoints::tokenizer_info() const {
  const auto& model = models_.model();
  const auto text = [&](Token token) {
    return token < 0 ? Json(nullptr) : Json(std::string(model.vocabulary_entry(token)));
  };
  Json json;
  json["tokenizer_class"] = "llama.cpp";
  json["bos_token"] = text(model.bos());
  json["eos_token"] = text(model.eos());
  json["pad_token"] = text(model.pad());
  json["add_bos_token"] = model.adds_bos();
  json["vocab_size"] = model.vocabulary_size();
  json["model_max_length"] = models_.ctx_size();
  json["chat_template"] = text_or_null(model.chat_template());
  return {.body = line_of(json)};
}

Reply Endpoints::complete(const std::string& body, bool is_chat) {
  const auto json = parse_body(body);
  const RequestedModel about{models_.model(), models_.ctx_size()};
  auto request = is_chat ? parse_chat(json, about) : parse_completion(json, about);
  const std::string type = request.is_streamed ? "text/event-stream" : "application/json";
  const auto answer = std::make_shared<Answer>();
  const auto job = std::make_shared<CompletionJob>(models_, std::move(request), answer, metrics_,
                                                   [this] { return queue_.is_stopping(); });
  if (!queue_.add([job] { return job->take_turn(); })) {
    throw Refusal(429, "too many requests are waiting: try again later", "queue_full");
  }
  return {.type = type, .answer = answer};
}

Reply Endpoints::tokenize(const std::string& body) const {
  const RequestedModel about{models_.model(), models_.ctx_size()};
  const auto request = parse_tokenize(parse_body(body), about);
  models_.find(request.model);
  Json json;
  json["count"] = request.tokens.size();
  json["max_model_len"] = models_.ctx_size();
  json["tokens"] = request.tokens;
  json["token_strs"] = nullptr;
  if (request.wants_texts) {
    json["token_strs"] = Json::array();
    for (const auto token : request.tokens) {
      json["token_strs"].push_back(std::string(models_.model().vocabulary_entry(token)));
    }
  }
  return {.body = line_of(json)};
}

Reply Endpoints::detokenize(const std::string& body) const {
  const RequestedModel about{models_.model(), models_.ctx_size()};
  const auto request = parse_detokenize(parse_body(body), about);
  models_.find(request.model);
  return {.body = line_of(Json{{"prompt", models_.model().detokenize(request.tokens)}})};
}

}  // namespace fakequant
