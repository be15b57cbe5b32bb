#include "serve/http_server.h"

#include <fmt/format.h>
#include <httplib.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "error.h"
#include "serve/openai_response.h"
#include "serve/refusal.h"
#include "serve/request_origin.h"

namespace fakequant {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kThreads = Endpoints::kMaxRequests + 16;  // of connections; some that wait must not stop others
constexpr int kBacklog = 128;                                   // connections that wait to be accepted
constexpr seconds kSilence{5};                                  // of a client that is to send or to take something
constexpr seconds kMaxUpload{60};
constexpr milliseconds kPoll{50};  // between two looks at whether a client is still there

bool is_key(const std::string& given, const std::string& key) {
  const auto wanted = "Bearer " + key;
  if (given.size() != wanted.size()) return false;
  unsigned difference = 0;  // takes as long whatever is wrong
  for (std::size_t i = 0; i < wanted.size(); ++i) difference |= static_cast<unsigned>(given[i] ^ wanted[i]);
  return difference == 0;
}

// Throws a Refusal where a request must not be answered.
void check_sender(const httplib::Request& request, const HttpOptions& options) {
  if (request.has_header("Range")) throw bad_request("parts of an answer cannot be asked for");
  const auto host = request.get_header_value("Host");
  if (is_loopback(options.host) && !is_local_host(host)) {
    throw Refusal(403, "this server answers requests to localhost only", "forbidden_host");
  }
  const auto is_from_elsewhere = [&] {
    const auto site = request.get_header_value("Sec-Fetch-Site");
    if (site == "cross-site" || site == "same-site") return true;
    return request.has_header("Origin") && !is_same_origin(request.get_header_value("Origin"), host);
  };
  if (request.method != "GET" && request.method != "HEAD" && is_from_elsewhere()) {
    throw Refusal(403, "this server answers no requests of other sites", "forbidden_origin");
  }
  // The page has nothing of the model in it; what it asks for needs the key.
  const bool is_open = request.path == "/health" || request.path == "/";
  if (!options.api_key.empty() && !is_open && !is_key(request.get_header_value("Authorization"), options.api_key)) {
    throw Refusal(401, "the API key is missing or wrong", "invalid_api_key");
  }
}

// Sends the pieces of an answer as they come. Returns false where the connection is to be cut.
bool send_pieces(Answer& answer, httplib::DataSink& sink) {
  for (;;) {
    const auto read = answer.read(kPoll);
    if (!read.text.empty() && !sink.write(read.text.data(), read.text.size())) return false;
    switch (read.state) {
      case Answer::State::open:
        break;
      case Answer::State::ended:
        sink.done();
        return true;
      case Answer::State::failed:
        return false;
    }
    if (!sink.is_writable()) return false;
  }
}

void send(const Reply& reply, httplib::Response& response) {
  response.status = reply.status;
  response.set_header("X-Frame-Options", "DENY");  // no page of another site shows the playground as its own
  response.set_header("X-Content-Type-Options", "nosniff");
  if (!reply.answer) return response.set_content(reply.body, reply.type);
  response.set_header("Cache-Control", "no-store");
  response.set_chunked_content_provider(
      reply.type, [answer = reply.answer](std::size_t, httplib::DataSink& sink) { return send_pieces(*answer, sink); },
      [answer = reply.answer](bool) { answer->cancel(); });
}

void refuse(const Refusal& refusal, httplib::Response& response) {
  response.status = refusal.status;
  response.set_content(error_body(refusal), "application/json");
}

// The body of a request; throws a Refusal where it is too long, or comes in a form that is not read.
std::string read_body(const httplib::Request& request, const httplib::Response& response,
                      const httplib::ContentReader& read) {
  if (request.is_multipart_form_data()) throw Refusal(415, "send the request as JSON");
  std::string body;
  const auto until = std::chrono::steady_clock::now() + kMaxUpload;
  bool is_too_long = false;
  const bool is_complete = read([&](const char* data, std::size_t size) {
    is_too_long = body.size() + size > HttpServer::kMaxBody;
    if (is_too_long || std::chrono::steady_clock::now() > until) return false;
    body.append(data, size);
    return true;
  });
  if (is_too_long || response.status == 413) {
    throw Refusal(413, fmt::format("the request is longer than {} bytes", HttpServer::kMaxBody));
  }
  if (!is_complete) throw Refusal(response.status == 415 ? 415 : 400, "the request's body cannot be read");
  return body;
}

}  // namespace

struct HttpServer::Connection {
  httplib::Server server;
  HttpOptions options;
  Endpoints& endpoints;
  int socket = -1;
  std::atomic<bool> has_ended = false;

  Connection(Endpoints& of, HttpOptions with) : options(std::move(with)), endpoints(of) {}
  void route();
  void set_limits();
};

void HttpServer::Connection::set_limits() {
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server.set_keep_alive_max_count(1);
  server.set_keep_alive_timeout(kSilence.count());
  server.set_read_timeout(kSilence);
  server.set_write_timeout(kSilence);
  server.set_payload_max_length(kMaxBody);
  server.set_tcp_nodelay(true);
  server.set_socket_options([this](int listening) {
    // Not SO_REUSEPORT, which httplib would set: a second server must not take the same port.
    const int yes = 1;
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    socket = listening;
  });
}

void HttpServer::Connection::route() {
  // A POST is checked when its body has been read: a connection that is closed before would be reset, and the client
  // would not see why.
  server.set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
    if (request.method == "POST") return httplib::Server::HandlerResponse::Unhandled;
    try {
      check_sender(request, options);
      send(endpoints.answer(request.method, request.path, {}), response);
    } catch (const Refusal& refusal) {
      refuse(refusal, response);
    }
    return httplib::Server::HandlerResponse::Handled;
  });
  const auto post = [this](const httplib::Request& request, httplib::Response& response,
                           const httplib::ContentReader& read) {
    try {
      const auto body = read_body(request, response, read);
      check_sender(request, options);
      send(endpoints.answer(request.method, request.path, body), response);
    } catch (const Refusal& refusal) {
      refuse(refusal, response);
    }
  };
  server.Post(".*", post);
  server.set_error_handler([](const httplib::Request&, httplib::Response& response) {
    if (!response.body.empty()) return;
    const auto what = response.status == 404 ? std::string("there is nothing at this path")
                                             : fmt::format("the request is not valid HTTP ({})", response.status);
    response.set_content(error_body(response.status, what), "application/json");
  });
  // What no request should cause: memory is short, or there is a fault here. The client is told no more.
  server.set_exception_handler([](const httplib::Request&, httplib::Response& response, const std::exception_ptr&) {
    response.status = 500;
    response.set_content(error_body(500, "the server failed to answer"), "application/json");
  });
  server.set_logger([this](const httplib::Request&, const httplib::Response& response) {
    endpoints.metrics().add_response(response.status);
  });
}

HttpServer::HttpServer(Endpoints& endpoints, const HttpOptions& options)
    : connection_(std::make_unique<Connection>(endpoints, options)) {
  connection_->set_limits();
  connection_->route();
  auto& server = connection_->server;
  errno = 0;
  if (options.port == 0) {
    port_ = server.bind_to_any_port(options.host);
  } else {
    port_ = server.bind_to_port(options.host, options.port) ? options.port : -1;
  }
  if (port_ < 0) {
    const auto why = errno == 0 ? std::string("the host is not known") : std::string(std::strerror(errno));
    throw Error(fmt::format("cannot listen at {}:{}: {}: take another port or host", options.host, options.port, why));
  }
  listen(connection_->socket, kBacklog);  // more than httplib lets wait
}

HttpServer::~HttpServer() = default;

void HttpServer::run() {
  connection_->server.listen_after_bind();
  connection_->has_ended = true;
}

void HttpServer::stop() {
  // httplib takes no notice of a stop before it has begun to listen.
  while (!connection_->server.is_running() && !connection_->has_ended) std::this_thread::sleep_for(milliseconds(1));
  connection_->server.stop();
}

}  // namespace fakequant
