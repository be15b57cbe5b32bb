#include "serve/serve.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "error.h"
#include "serve/request_origin.h"

namespace fakequant {

void serve(const GgufModel& model, const std::vector<Variant>& variants, const ServeOptions& options) {
  if (!is_loopback(options.http.host) && options.http.api_key.empty()) {
    throw usage_error(
        fmt::format("others could use the server at {}: give an API key that requests must have", options.http.host));
  }
  LoadedModels models(model.paths(), options.compute);
  models.baseline().check_types();
  const ServedModels served(models, variants, options.ctx_size, options.compute);
  Endpoints endpoints(served, {model, models, served.context_options(), options.storage,
                               weight_memory_for(options.compute), names_servers(options.compute.devices)});
  HttpServer server(endpoints, options.http);
  std::thread connections([&] { server.run(); });
  if (options.ready) options.ready(server.port());
  constexpr std::chrono::milliseconds kPoll{50};
  while (!options.is_stopped()) std::this_thread::sleep_for(kPoll);
  endpoints.stop();
  server.stop();
  connections.join();
}

}  // namespace fakequant
