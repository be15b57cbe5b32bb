// What the server answers to each path, whatever carries it.
#pragma once

#include <memory>
#include <string>

#include "serve/answer.h"
#include "serve/metrics.h"
#include "serve/request_queue.h"
#include "serve/served_models.h"

namespace fakequant {

struct Reply {
  int status = 200;
  std::string type = "application/json";
  std::string body = {};
  std::shared_ptr<Answer> answer = {};  // what follows it piece by piece; null: nothing
};

class Endpoints {
 public:
  static constexpr std::size_t kMaxRequests = 64;  // that are computed or wait for it

  // `models` must outlive this.
  explicit Endpoints(const ServedModels& models) : models_(models) {}

  // The reply to a GET, and to a POST with this body. Nothing is thrown for a request that is wrong: the reply says so.
  Reply get(const std::string& path) const;
  Reply post(const std::string& path, const std::string& body);

  Metrics& metrics() { return metrics_; }

  // Ends what is being computed. Its answers fail.
  void stop() { queue_.stop(); }

 private:
  Reply list_models() const;
  Reply describe_model(const std::string& name) const;
  Reply tokenizer_info() const;
  Reply complete(const std::string& body, bool is_chat);
  Reply tokenize(const std::string& body) const;
  Reply detokenize(const std::string& body) const;

  const ServedModels& models_;
  Metrics metrics_;
  RequestQueue queue_{kMaxRequests};
};

}  // namespace fakequant
