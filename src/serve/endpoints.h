// What the server answers to each path, whatever carries it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "serve/metrics.h"
#include "serve/openai_request.h"
#include "serve/playground.h"
#include "serve/reply.h"
#include "serve/request_queue.h"
#include "serve/served_models.h"

namespace fakequant {

class Endpoints {
 public:
  static constexpr std::size_t kMaxRequests = 64;  // that are computed or wait for it

  // All must outlive this.
  Endpoints(const ServedModels& models, const PlaygroundModel& playground)
      : models_(models), playground_(models, playground, queue_) {}

  // What can be asked. A path that ends in "{id}" stands for all with something there.
  struct Route {
    std::string_view method, path;
    Reply (Endpoints::*reply)(const std::string& input);  // `input`: of a POST the body, else what stands for {id}
  };
  static std::span<const Route> routes();

  // The reply to a request. Nothing is thrown for one that is wrong: the reply says so. HEAD is answered as GET.
  Reply answer(std::string_view method, const std::string& path, const std::string& body);

  Metrics& metrics() { return metrics_; }

  // Ends what is being computed. Its answers fail.
  void stop() { queue_.stop(); }

 private:
  Reply page(const std::string&);
  Reply health(const std::string&);
  Reply show_metrics(const std::string&);
  Reply document(const std::string&);
  Reply list_models(const std::string&);
  Reply describe_model(const std::string& name);
  Reply tokenizer_info(const std::string&);
  Reply complete_text(const std::string& body);
  Reply complete_chat(const std::string& body);
  Reply complete(CompletionRequest request);
  Reply tokenize(const std::string& body);
  Reply detokenize(const std::string& body);
  Reply describe_playground(const std::string&);
  Reply change_variant(const std::string& body);
  Reply drop_variant(const std::string& id);
  Reply ask_variant(const std::string& body);
  Reply measure_variant(const std::string& body);
  RequestedModel about() const { return {models_.model(), models_.ctx_size()}; }

  const ServedModels& models_;
  Metrics metrics_;
  Playground playground_;
  RequestQueue queue_{kMaxRequests};  // ends first: its turns use all of the above
};

}  // namespace fakequant
