// The playground: a page in the browser where formats change while the model runs, and what it asks of the server.
//
// All it does is done in the queue of the other requests, and its answers are streams of events: how far the work is
// ({"progress": 0.5}), what came of it, or {"error": ...}.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "measure/text_divergence.h"
#include "serve/playground_variants.h"
#include "serve/reply.h"
#include "serve/request_queue.h"
#include "serve/served_models.h"

namespace fakequant {

class Playground {
 public:
  // All must outlive this, and the queue may be made later.
  Playground(const ServedModels& served, const PlaygroundModel& model, RequestQueue& queue)
      : served_(served), model_(model), queue_(queue) {}

  // The page. Throws a Refusal where the program was built without it.
  static Reply page();

  // What the page wants to know about the model.
  Reply describe() const;

  // What follows throws a Refusal for a request that is wrong.

  // Makes a variant of rules, or changes one that there is: {"variant": {"id", "rules", "recipe", "bits_per_weight",
  // "rounded_weights", "seconds"}}.
  Reply change_variant(const std::string& body);

  // Both sides' answers to one question (lockstep.h).
  Reply ask(const std::string& body);

  // What a variant makes of a text: {"divergence": {"tokens", "predictions", "kld", ...}}.
  Reply measure(const std::string& body);

  Reply drop_variant(const std::string& id);

 private:
  template <typename Work>
  Reply stream(Work work);
  std::shared_ptr<PlaygroundVariant> variant_of(const Json& body);
  Context& follower();

  const ServedModels& served_;
  PlaygroundModel model_;
  RequestQueue& queue_;
  PlaygroundVariants variants_;
  // The baseline, as it reads what variants write; for the thread that computes, once it is needed.
  std::unique_ptr<Context> follower_;
  std::unique_ptr<PromptReader> follower_reader_;
  std::optional<BaselineText> text_;  // that was measured last
};

}  // namespace fakequant
