// A variant that a page of the playground owns and changes while the model runs.
//
// A change costs what is new in it: activation rules take effect in the running context, and of the weights only those
// are rounded that were not rounded so before.
#pragma once

#include <memory>
#include <string>

#include "gguf/gguf_model.h"
#include "measure/variant.h"
#include "measure/weights_in_place.h"
#include "serve/prompt_reader.h"

namespace fakequant {

// What such variants are variants of, and how they are computed. All that it refers to must outlive them.
struct PlaygroundModel {
  const GgufModel& file;
  LoadedModels& models;
  ContextOptions context;  // of each variant
  ApplySettings storage;
  WeightMemory memory;         // for the rounded weights of each
  bool is_on_servers = false;  // then its weights cannot be rounded while it runs
};

class PlaygroundVariant {
 public:
  PlaygroundVariant();

  // 128 random bits in hexadecimal: whoever has it may use the variant.
  const std::string& id() const { return id_; }

  // What follows is for the thread that computes.

  // Computes by these rules from now on. Returns how many weights had to be rounded. Where it throws, as the steps do,
  // and an Error where it was cancelled, the rules stay as they were.
  std::size_t change(const PlaygroundModel& model, const Recipe& recipe, const Progress& progress,
                     const IsCancelled& is_cancelled);

  // After a change.
  Context& context() const { return *context_; }
  PromptReader& reader() { return *reader_; }

  // When others than the reader evaluate with the context.
  void restart_reader(int threads) { reader_ = std::make_unique<PromptReader>(*context_, threads); }

 private:
  WeightsInPlace round(const PlaygroundModel& model, const Recipe& rules, ApplyResult& result, const Progress& progress,
                       const IsCancelled& is_cancelled) const;

  std::string id_;
  Recipe weight_rules_;
  WeightsInPlace weights_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<PromptReader> reader_;
};

}  // namespace fakequant
