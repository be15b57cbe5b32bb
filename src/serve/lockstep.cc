#include "serve/lockstep.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "serve/completion.h"
#include "serve/generated_text.h"
#include "serve/openai_response.h"

namespace fakequant {
namespace {

constexpr std::size_t kAlternatives = 5;  // of either side

struct Side {
  std::span<const float> logits;
  Prediction prediction;

  explicit Side(const PromptReader& reader) : logits(reader.logits()), prediction(predict(logits)) {}
  double probability(Token token) const { return std::exp(log_probability(logits, prediction, token)); }
  bool is_distribution() const { return std::isfinite(prediction.log_sum); }
};

Json probabilities(const Model& model, Token token, const Side& baseline, const Side& variant) {
  Json json;
  json["token"] = token_name(model, token);
  json["baseline"] = baseline.probability(token);
  json["variant"] = variant.probability(token);
  return json;
}

// The most likely tokens of either side, the likeliest first.
std::vector<Token> likely_tokens(const Side& baseline, const Side& variant) {
  std::vector<Token> tokens;
  for (const auto* side : {&baseline, &variant}) {
    for (std::size_t i = 0; i < kAlternatives; ++i) {
      const auto token = side->prediction.top[i];
      if (token >= 0 && std::find(tokens.begin(), tokens.end(), token) == tokens.end()) tokens.push_back(token);
    }
  }
  const auto most = [&](Token token) { return std::max(baseline.probability(token), variant.probability(token)); };
  std::stable_sort(tokens.begin(), tokens.end(), [&](Token a, Token b) { return most(a) > most(b); });
  return tokens;
}

// The fields of an event that compare both sides where the variant wrote a token.
Json compared(const Model& model, Token token, const PromptReader& follower, const PromptReader& writer) {
  const Side baseline(follower), variant(writer);
  auto json = probabilities(model, token, baseline, variant);
  json["kld"] = nullptr;
  if (baseline.is_distribution() && variant.is_distribution()) {
    // Rounding can make that of almost the same distributions negative.
    json["kld"] = std::max(0.0, divergence(baseline.logits, baseline.prediction, variant.logits, variant.prediction));
  }
  json["alternatives"] = Json::array();
  for (const auto likely : likely_tokens(baseline, variant)) {
    json["alternatives"].push_back(probabilities(model, likely, baseline, variant));
  }
  return json;
}

Continuation continuation_of(const CompletionRequest& request) {
  return {request.prompts.front().tokens, false, request.max_tokens, request.sampler};
}

// One of the two answers while it is written.
class WrittenSide {
 public:
  WrittenSide(std::string name, PromptReader& reader, const CompletionRequest& request, int ctx_size)
      : name_(std::move(name)),
        reader_(reader),
        asked_(continuation_of(request)),
        generation_(reader, asked_, ctx_size),
        text_(request.stops) {}

  const std::vector<Token>& prompt() const { return asked_.prompt; }
  bool read_prompt(const IsCancelled& is_cancelled) { return generation_.read_prompt(is_cancelled); }
  bool has_ended() const { return has_ended_; }

  // Writes one token. `more`: further fields of its event.
  template <typename More>
  void step(Answer& answer, const More& more) {
    const auto& model = reader_.context().model();
    const auto end = generation_.step([&](const Expectation& expectation) {
      const auto token = expectation.came.token;
      send(answer, model.ends_generation(token) ? std::string() : text_.add(model.text({token})), nullptr, more(token));
      return !text_.has_stopped();
    });
    if (!end) return;
    has_ended_ = true;
    send(answer, text_.finish(), finish_reason(*end), Json::object());
  }

 private:
  void send(Answer& answer, const std::string& text, const Json& reason, const Json& more) const {
    Json json;
    json["side"] = name_;
    json["text"] = text;
    json.update(more);
    json["finish_reason"] = reason;
    answer.write(event_of(json));
  }

  std::string name_;
  PromptReader& reader_;
  Continuation asked_;
  Generation generation_;
  GeneratedText text_;
  bool has_ended_ = false;
};

}  // namespace

void answer_in_lockstep(const LockstepReaders& readers, const PlaygroundQuestion& question, int ctx_size,
                        Answer& answer, const IsCancelled& is_cancelled) {
  const auto& model = readers.baseline.context().model();
  WrittenSide baseline("baseline", readers.baseline, question.baseline, ctx_size);
  WrittenSide variant("variant", readers.variant, question.variant, ctx_size);
  if (!baseline.read_prompt(is_cancelled) || !variant.read_prompt(is_cancelled) ||
      !readers.follower.read(variant.prompt(), false, is_cancelled)) {
    return;
  }
  std::optional<Token> unread;  // by the follower
  while (!is_cancelled() && !(baseline.has_ended() && variant.has_ended())) {
    if (!baseline.has_ended()) baseline.step(answer, [](Token) { return Json::object(); });
    if (variant.has_ended()) continue;
    if (unread && readers.follower.context().position() < ctx_size) readers.follower.read_next(*unread);
    variant.step(answer, [&](Token token) {
      unread = token;
      return compared(model, token, readers.follower, readers.variant);
    });
  }
}

}  // namespace fakequant
