// What a server counts, in the text format of Prometheus.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace fakequant {

class Metrics {
 public:
  void add_response(int status);

  // A prompt that was read and continued by the model of this name.
  struct Work {
    std::size_t prompt_tokens = 0;
    std::size_t reused_tokens = 0;  // of the prompt, that were not computed again
    std::size_t generated_tokens = 0;
    double seconds = 0;
  };
  void add_work(const std::string& model, const Work& work);

  std::string text(std::size_t requests_in_queue) const;

 private:
  struct Totals : Work {
    std::uint64_t prompts = 0;
  };
  mutable std::mutex mutex_;
  std::map<int, std::uint64_t> responses_;
  std::map<std::string, Totals> models_;
};

}  // namespace fakequant
