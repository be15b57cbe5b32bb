// A session: a model that stays loaded, and the evaluations that run on it.
#pragma once

#include <fakequant/export.h>

#include <cstdint>
#include <fakequant/compute.hpp>
#include <fakequant/eval.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fakequant::FAKEQUANT_V0 {

// How the model of a session, or of a sweep, is computed.
struct ComputeOptions {
  int threads = 0;  // 0: as many as processors that this process may use
  // None: f32, or native for what only that computes: layers on devices, quantized values in the cache.
  std::optional<Arithmetic> arithmetic = {};
  AttentionOptions attention = {};
  DeviceOptions devices = {};
  // Bytes that rounded weights may take in memory; the others are rounded whenever they are read. None: a quarter of
  // what is free in native arithmetic, 0 in f32. Formats that round slowly are always kept.
  std::optional<std::int64_t> weight_memory = {};
};

// A loaded model, and any number of evaluations on it.
//
// Several sessions may work at once, each in its own thread, also on the same file. Of one session all functions may be
// called from several threads; its evaluations then wait for each other. After an Error the session goes on as before.
class FAKEQUANT_API Session {
 public:
  // Loads a GGUF file, or a split model by its first part. Throws an Error when it cannot be loaded or run so.
  explicit Session(const std::string& model, const ComputeOptions& compute = {});
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  // The path of the model, its layers and the tokens of its vocabulary.
  const std::string& model() const;
  int layers() const;
  int vocabulary_size() const;

  // The longest context that the model was trained for, in tokens.
  int trained_context() const;

  // The arithmetic that was chosen.
  Arithmetic arithmetic() const;

  // Measures the variants against the model on the texts, all in one pass of the model. Throws an Error when a rule is
  // invalid or matches nothing, a text cannot be read or has less than two chunks, or two variants have the same name.
  // What a callback throws ends the evaluation, and comes back as an Error with the same message.
  Evaluation evaluate(const std::vector<Variant>& variants, const std::vector<Text>& texts,
                      const EvalOptions& options = {});

 private:
  struct Loaded;
  std::unique_ptr<Loaded> loaded_;
};

}  // namespace fakequant::FAKEQUANT_V0
