// The endpoints over HTTP: who may ask, how much a request may send, and how an answer is sent.
//
// A connection carries one request. It costs a client on this machine nothing that can be measured, and nothing of a
// request that was refused can be taken for the next.
#pragma once

#include <memory>
#include <string>

#include "serve/endpoints.h"

namespace fakequant {

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 8080;      // 0: any that is free
  std::string api_key;  // that requests must give; empty: none
};

class HttpServer {
 public:
  static constexpr std::size_t kMaxBody = std::size_t{8} << 20;  // bytes

  // Takes the port. Throws an Error where it cannot. `endpoints` must outlive this.
  HttpServer(Endpoints& endpoints, const HttpOptions& options);
  ~HttpServer();

  int port() const { return port_; }

  // Answers requests until stop(), which another thread calls, after run() or just before.
  void run();
  void stop();

 private:
  struct Connection;
  std::unique_ptr<Connection> connection_;
  int port_ = 0;
};

}  // namespace fakequant
