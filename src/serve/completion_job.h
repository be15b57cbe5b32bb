// A request for completions while it is computed, prompt by prompt, and the answer to it.
#pragma once

#include <memory>
#include <string>

#include "serve/answer.h"
#include "serve/metrics.h"
#include "serve/openai_request.h"
#include "serve/served_models.h"

namespace fakequant {

class CompletionJob {
 public:
  // `is_stopping`: asked now and then, whether the server ends. All but the request and the answer must outlive this.
  CompletionJob(const ServedModels& models, CompletionRequest request, std::shared_ptr<Answer> answer, Metrics& metrics,
                IsCancelled is_stopping);
  ~CompletionJob() { answer_->fail(); }  // where it has not ended
  CompletionJob(const CompletionJob&) = delete;
  CompletionJob& operator=(const CompletionJob&) = delete;

  // Computes the next prompt. Returns whether there are more.
  bool take_turn();

 private:
  void continue_prompt(std::size_t index);
  void finish();
  Json beginning(bool is_chunk) const;
  void send_chunk(Json choice);

  const ServedModels& models_;
  const ServedModel& served_;
  CompletionRequest request_;
  std::shared_ptr<Answer> answer_;
  Metrics& metrics_;
  IsCancelled is_stopping_;
  std::string id_;
  std::int64_t created_;
  std::size_t next_ = 0;
  std::string choices_;  // JSON, of an answer that is not streamed
  std::size_t prompt_tokens_ = 0, generated_tokens_ = 0;
};

}  // namespace fakequant
