// The tap: rounds activations while llama.cpp computes them.
//
// llama.cpp's scheduler offers a door, cb_eval: it asks for each node of the graph, in order, whether its data is
// wanted, and calls again when a wanted node has just been computed, before anything reads it. What is written to the
// node then is what the rest of the model sees. The tap first watches one evaluation to learn which nodes there are; a
// site is the last node of a name that computes something (views, reshapes and permutations show another node's
// values).
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/site_counters.h"
#include "engine/token_rows.h"
#include "recipe/rule.h"
#include "recipe/site_match.h"

struct ggml_tensor;

namespace fakequant {

class Tap {
 public:
  explicit Tap(int threads) : threads_(threads) {}
  Tap(const Tap&) = delete;  // llama.cpp holds its address
  Tap& operator=(const Tap&) = delete;

  // For llama_context_params: cb_eval and cb_eval_user_data (the tap).
  static bool callback(ggml_tensor* node, bool ask, void* tap);

  // Between these two calls the graph is watched and nothing is rounded.
  void begin_discovery();
  void end_discovery(int layers);

  // The activations that the graph computes, in its order.
  const std::vector<Site>& sites() const { return sites_; }

  // Rounds by these activation rules from now on; all counters start at zero. Throws as match_sites does.
  void set_recipe(const Recipe& recipe);

  // Before an evaluation: the tokens that will go through the graph, in the batches in which they do.
  void begin_evaluation(std::vector<TokenBatch> batches);

  // Rethrows what went wrong inside the callback, and checks that every site was met as often as expected.
  void finish_evaluation();

  std::vector<SiteCounters> counters() const;

 private:
  struct Target {
    Format format;
    SiteCounters counters;
    NodeShape shape_for_one_token{};
    std::uint64_t random_key = 0;
    std::size_t batch = 0;      // of the evaluation, that comes next
    int nodes_of_name = 1;      // nodes of this name that compute, in one evaluation
    std::int64_t met = 0;       // such nodes met so far
    std::int64_t computed = 0;  // values that the last of them had, over all evaluations
  };

  // Lets a node's name be looked up without making a string of it: every node of every evaluation is.
  struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
  };

  bool wants(const ggml_tensor* node);
  void note(const ggml_tensor* node);
  void round(ggml_tensor* node);
  void round_values(Target& target, float* values, const NodeShape& shape);
  void round_rows(Target& target, float* values, const NodeShape& shape);
  void round_tokens(Target& target, float* values, const NodeShape& shape);

  int threads_;
  int layers_ = 0;
  bool discovering_ = false;
  std::vector<Site> sites_;
  std::unordered_map<std::string, int> nodes_of_name_;
  std::unordered_map<std::string, NodeShape> shapes_;  // of each site, when one token was evaluated
  std::vector<TokenBatch> batches_;
  std::unordered_map<std::string, Target, NameHash, std::equal_to<>> targets_;
  Target* wanted_ = nullptr;  // the one whose data comes next
  std::vector<float> staging_;
  std::exception_ptr error_;
};

}  // namespace fakequant
