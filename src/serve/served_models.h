// The baseline and its variants by the names that requests give.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "measure/variant.h"
#include "serve/prompt_reader.h"

namespace fakequant {

constexpr auto kBaselineName = "baseline";

struct ServedModel {
  std::string name;
  std::string recipe;          // its rules in one line; empty of the baseline
  double bits_per_weight = 0;  // 0 of the baseline
  std::unique_ptr<Context> context;
  std::unique_ptr<PromptReader> reader;  // for one thread
};

class ServedModels {
 public:
  // Opens a context of `ctx_size` tokens for each; 0: min(2048, what the model was trained for). `models` must outlive
  // this. Throws a usage error where a variant is called as the baseline is or the context is too long, and as Context
  // does.
  ServedModels(LoadedModels& models, const std::vector<Variant>& variants, int ctx_size, const ComputeOptions& compute);

  const Model& model() const { return model_; }  // for its tokenizer, which all share
  int ctx_size() const { return ctx_size_; }

  // With which a context suits a PromptReader, and answers as these do.
  const ContextOptions& context_options() const { return context_; }
  const std::vector<ServedModel>& all() const { return served_; }

  // By name; an empty one is the baseline. Throws a Refusal for one that is not there.
  const ServedModel& find(const std::string& name) const;

 private:
  const Model& model_;
  int ctx_size_;
  ContextOptions context_;
  std::vector<ServedModel> served_;
};

}  // namespace fakequant
