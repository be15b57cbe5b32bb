#include "serve/playground.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>

#include "format/format_names.h"
#include "recipe/recipe_yaml.h"
#include "report/page_template.h"
#include "serve/lockstep.h"
#include "serve/openai_response.h"
#include "serve/playground_request.h"
#include "serve/request_fields.h"
#include "weights/weight_bits.h"

namespace fakequant {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

Json estimate_json(const Estimate& estimate) { return {{"value", estimate.value}, {"error", estimate.error}}; }

// Whether a variant can have the recipe while the model runs.
bool is_applicable(const BuiltinRecipe& recipe, Arithmetic arithmetic) {
  try {
    parse_playground_recipe({{"recipe", "@" + std::string(recipe.name)}}, arithmetic);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// Sends how far some work is, not too often.
class ProgressEvents {
 public:
  explicit ProgressEvents(Answer& answer) : answer_(answer) {}

  void operator()(double done) {
    constexpr double kInterval = 0.1;  // seconds
    if (seconds_since(last_) < kInterval) return;
    last_ = Clock::now();
    answer_.write(event_of({{"progress", done}}));
  }

 private:
  Answer& answer_;
  Clock::time_point last_ = Clock::now();
};

}  // namespace

Reply Playground::page() {
  const auto& page = playground_page();
  if (page.html.empty()) throw Refusal(404, std::string(page.missing), "not_found");
  return {.type = "text/html; charset=utf-8", .body = std::string(page.html)};
}

Reply Playground::describe() const {
  const auto& model = served_.model();
  Json json;
  json["model"] = std::filesystem::path(model_.file.path()).filename().string();
  json["layers"] = model.layers();
  json["arithmetic"] = to_string(model_.context.arithmetic);
  json["max_model_len"] = served_.ctx_size();
  json["has_chat_template"] = model.has_chat_template();
  json["formats"] = example_names();
  json["recipes"] = Json::array();
  for (const auto& recipe : builtin_recipes()) {
    if (is_applicable(recipe, model_.context.arithmetic)) json["recipes"].push_back(std::string(recipe.name));
  }
  return {.body = line_of(json)};
}

// Runs `work(answer, is_cancelled)` when it has its turn. An answer that gets none, or whose work is given up, fails.
template <typename Work>
Reply Playground::stream(Work work) {
  const auto answer = std::make_shared<Answer>();
  const std::shared_ptr<Answer> failing(answer.get(), [answer](Answer* open) { open->fail(); });
  const auto turn = [this, answer, failing, work = std::move(work)]() mutable {
    const auto is_cancelled = [&] { return answer->is_cancelled() || queue_.is_stopping(); };
    if (is_cancelled()) return false;
    try {
      work(*answer, is_cancelled);
    } catch (const Error& error) {
      answer->write(event_of(error_json(400, error.what())));
    } catch (const std::exception&) {
      answer->write(event_of(error_json(500, "the server failed to answer")));
    }
    if (is_cancelled()) return false;
    answer->write(kLastEvent);
    answer->end();
    return false;
  };
  queue_.add(turn);
  return {.type = "text/event-stream", .answer = answer};
}

std::shared_ptr<PlaygroundVariant> Playground::variant_of(const Json& body) {
  if (find_field(body, "variant") == nullptr) throw bad_request("there is no 'variant'");
  return variants_.find(text_field(body, "variant"));
}

Context& Playground::follower() {
  if (!follower_) {
    follower_ = model_.models.open_baseline(model_.context);
    follower_reader_ = std::make_unique<PromptReader>(*follower_, model_.context.threads);
  }
  return *follower_;
}

Reply Playground::change_variant(const std::string& body) {
  const auto json = parse_body(body);
  const auto recipe = parse_playground_recipe(json, model_.context.arithmetic);
  const auto variant =
      find_field(json, "variant") == nullptr ? std::make_shared<PlaygroundVariant>() : variant_of(json);
  return stream([this, recipe, variant](Answer& answer, const IsCancelled& is_cancelled) {
    const auto begin = Clock::now();
    const auto rounded = variant->change(model_, recipe, ProgressEvents(answer), is_cancelled);
    if (is_cancelled()) return;
    variants_.keep(variant);
    Json made;
    made["id"] = variant->id();
    made["rules"] = Json::array();
    for (const auto& rule : recipe) made["rules"].push_back(to_string(rule));
    made["recipe"] = to_yaml(recipe);
    made["bits_per_weight"] = weight_bits(model_.file, rules_of_kind(recipe, SiteKind::weight)).per_value();
    made["rounded_weights"] = rounded;
    made["seconds"] = seconds_since(begin);
    answer.write(event_of({{"variant", made}}));
  });
}

Reply Playground::ask(const std::string& body) {
  const auto json = parse_body(body);
  const auto question = parse_playground_question(json, {served_.model(), served_.ctx_size()});
  return stream([this, question, variant = variant_of(json)](Answer& answer, const IsCancelled& is_cancelled) {
    follower();
    const LockstepReaders readers{*served_.find({}).reader, *follower_reader_, variant->reader()};
    answer_in_lockstep(readers, question, served_.ctx_size(), answer, is_cancelled);
  });
}

Reply Playground::measure(const std::string& body) {
  const auto json = parse_body(body);
  const auto text = parse_playground_text(json, {served_.model(), served_.ctx_size()});
  return stream([this, text, variant = variant_of(json)](Answer& answer, const IsCancelled& is_cancelled) {
    const auto begin = Clock::now();
    const int threads = model_.context.threads;
    if (!text_ || text_->tokens() != text.tokens) text_.emplace(text.tokens);
    auto& baseline = follower();
    // The readers know nothing of what is evaluated here, so they forget what they had read.
    follower_reader_ = std::make_unique<PromptReader>(baseline, threads);
    variant->restart_reader(threads);
    const auto found = text_divergence(baseline, *text_, variant->context(), threads, is_cancelled);
    if (!found) return;
    Json measured;
    measured["text_tokens"] = text.all_tokens;
    measured["tokens"] = text.tokens.size();
    measured["predictions"] = found->predictions;
    measured["kld"] = estimate_json(found->figures.kld);
    measured["kld_max"] = found->figures.kld_at.max;
    measured["baseline_ppl"] = estimate_json(found->baseline_ppl);
    measured["ppl"] = estimate_json(found->figures.ppl);
    measured["ppl_ratio"] = estimate_json(found->figures.ppl_ratio);
    measured["top1_agreement"] = estimate_json(found->figures.top1_agreement);
    measured["overflow"] = found->has_overflowed;
    measured["seconds"] = seconds_since(begin);
    answer.write(event_of({{"divergence", measured}}));
  });
}

Reply Playground::drop_variant(const std::string& id) {
  if (!variants_.drop(id)) throw Refusal(404, "the playground has no such variant", "variant_not_found");
  return {.body = line_of({{"deleted", true}})};
}

}  // namespace fakequant
