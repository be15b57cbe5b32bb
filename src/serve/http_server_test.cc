#include "serve/http_server.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "gguf/gguf_model.h"
#include "measure/variant.h"
#include "serve/served_models.h"

namespace fakequant {
namespace {

TEST(HttpServer, EndsWhereAStopComesBeforeItListens) {
  const GgufModel model(std::string(std::getenv("SOURCE")) + "/demo/fakequant-demo-4m-f16.gguf");
  LoadedModels models(model.paths());
  const ServedModels served(models, {}, 64, {});
  Endpoints endpoints(served, {model, models, served.context_options(), {}, false});
  HttpServer server(endpoints, {"127.0.0.1", 0, ""});
  std::thread stopping([&] { server.stop(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  server.run();
  stopping.join();
}

}  // namespace
}  // namespace fakequant
