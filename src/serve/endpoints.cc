#include "serve/endpoints.h"

#include <fmt/format.h>

#include <array>
#include <optional>

#include "serve/completion_job.h"
#include "serve/openai_request.h"
#include "serve/openai_response.h"
#include "serve/openapi_document.h"
#include "serve/refusal.h"
#include "serve/request_fields.h"

namespace fakequant {
namespace {

constexpr std::string_view kId = "{id}";

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

// What a path has in the place of {id}; empty where there is none. Unset where it is another path.
std::optional<std::string> input_of(std::string_view pattern, const std::string& path) {
  if (!pattern.ends_with(kId)) return path == pattern ? std::optional(std::string()) : std::nullopt;
  pattern.remove_suffix(kId.size());
  if (!path.starts_with(pattern) || path.size() == pattern.size()) return std::nullopt;
  return path.substr(pattern.size());
}

// Runs what makes a reply; a request that is wrong becomes one too.
template <typename Work>
Reply reply_of(const Work& work) {
  try {
    return work();
  } catch (const Refusal& refusal) {
    return {.status = refusal.status, .body = error_body(refusal)};
  } catch (const Error& error) {
    return {.status = 400, .body = error_body(400, error.what())};
  }
}

}  // namespace

std::span<const Endpoints::Route> Endpoints::routes() {
  using E = Endpoints;
  static constexpr auto kRoutes = std::to_array<Route>({
      {"GET", "/", &E::page},
      {"GET", "/health", &E::health},
      {"GET", "/metrics", &E::show_metrics},
      {"GET", "/openapi.json", &E::document},
      {"GET", "/v1/models", &E::list_models},
      {"GET", "/v1/models/{id}", &E::describe_model},
      {"GET", "/tokenizer_info", &E::tokenizer_info},
      {"POST", "/v1/completions", &E::complete_text},
      {"POST", "/v1/chat/completions", &E::complete_chat},
      {"POST", "/tokenize", &E::tokenize},
      {"POST", "/detokenize", &E::detokenize},
      {"GET", "/playground/model", &E::describe_playground},
      {"POST", "/playground/variants", &E::change_variant},
      {"DELETE", "/playground/variants/{id}", &E::drop_variant},
      {"POST", "/playground/answers", &E::ask_variant},
      {"POST", "/playground/divergence", &E::measure_variant},
  });
  return kRoutes;
}

Reply Endpoints::answer(std::string_view method, const std::string& path, const std::string& body) {
  return reply_of([&]() -> Reply {
    if (method == "HEAD") method = "GET";
    bool is_known = false;
    for (const auto& route : routes()) {
      const auto input = input_of(route.path, path);
      if (!input) continue;
      is_known = true;
      if (route.method == method) return (this->*route.reply)(method == "POST" ? body : *input);
    }
    if (is_known) throw Refusal(405, fmt::format("{} has no {}", path, method));
    throw Refusal(404, "there is nothing at " + path, "not_found");
  });
}

Reply Endpoints::page(const std::string&) { return Playground::page(); }
Reply Endpoints::health(const std::string&) { return {.body = "{\"status\":\"ok\"}"}; }
Reply Endpoints::show_metrics(const std::string&) {
  return {.type = "text/plain; version=0.0.4", .body = metrics_.text(queue_.size())};
}
Reply Endpoints::document(const std::string&) { return {.body = std::string(openapi_document())}; }
Reply Endpoints::describe_playground(const std::string&) { return playground_.describe(); }
Reply Endpoints::change_variant(const std::string& body) { return playground_.change_variant(body); }
Reply Endpoints::drop_variant(const std::string& id) { return playground_.drop_variant(id); }
Reply Endpoints::ask_variant(const std::string& body) { return playground_.ask(body); }
Reply Endpoints::measure_variant(const std::string& body) { return playground_.measure(body); }

Reply Endpoints::list_models(const std::string&) {
  Json json;
  json["object"] = "list";
  json["data"] = Json::array();
  for (const auto& served : models_.all()) json["data"].push_back(describe(served, models_.ctx_size()));
  return {.body = line_of(json)};
}

Reply Endpoints::describe_model(const std::string& name) {
  return {.body = line_of(describe(models_.find(name), models_.ctx_size()))};
}

Reply Endpoints::tokenizer_info(const std::string&) {
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

Reply Endpoints::complete_text(const std::string& body) {
  return complete(parse_completion(parse_body(body), about()));
}
Reply Endpoints::complete_chat(const std::string& body) { return complete(parse_chat(parse_body(body), about())); }

Reply Endpoints::complete(CompletionRequest request) {
  const std::string type = request.is_streamed ? "text/event-stream" : "application/json";
  const auto answer = std::make_shared<Answer>();
  const auto job = std::make_shared<CompletionJob>(models_, std::move(request), answer, metrics_,
                                                   [this] { return queue_.is_stopping(); });
  queue_.add([job] { return job->take_turn(); });
  return {.type = type, .answer = answer};
}

Reply Endpoints::tokenize(const std::string& body) {
  const auto request = parse_tokenize(parse_body(body), about());
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

Reply Endpoints::detokenize(const std::string& body) {
  const auto request = parse_detokenize(parse_body(body), about());
  models_.find(request.model);
  return {.body = line_of(Json{{"prompt", models_.model().detokenize(request.tokens)}})};
}

}  // namespace fakequant
