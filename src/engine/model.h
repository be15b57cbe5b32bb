// A model that llama.cpp has loaded: its weights and its tokenizer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/arithmetic.h"
#include "engine/devices.h"
#include "engine/model_tensors.h"

struct llama_model;

namespace fakequant {

class GgufModel;

using Token = std::int32_t;

// A message of a chat.
struct ChatMessage {
  std::string role;  // "system", "user", "assistant", or another that the template knows
  std::string content;
};

// Throws an Error when the header's number of layers is not the file's: llama.cpp aborts then, or asks for absurd
// memory.
void check_layers(const GgufModel& model);

class Model {
 public:
  // Loads a GGUF file, or the parts of a split model. Throws an Error when one is no sound GGUF file, when the header
  // says what llama.cpp would abort on, when llama.cpp refuses it, or when it is no text decoder; and as open_devices
  // does. For f32 arithmetic the weights are left as the file has them, and devices that hold layers are a usage error.
  explicit Model(const std::vector<std::string>& parts, const DeviceOptions& devices = {},
                 Arithmetic arithmetic = Arithmetic::native);

  llama_model* get() const { return model_.get(); }

  // The tensors that graphs of this model read, by name, as far as a context has watched one.
  const ModelTensors& tensors() const { return tensors_; }
  void note_tensors(const ModelTensors& tensors) const;
  const std::string& path() const { return path_; }  // the first part's
  int layers() const;
  int vocabulary_size() const;
  int trained_context() const;  // tokens; the longest context that the model was trained for
  bool is_offloaded() const { return offload_.layers != 0; }  // a device holds layers of it

  // Whether layers keep a state instead of keys and values. llama.cpp's graphs for several sequences abort for some.
  bool has_recurrent_layers() const;
  double load_ms() const { return load_ms_; }

  // Throws an Error that names a tensor stored in a type that llama.cpp has no kernels for, which it would abort or
  // crash on: integers and doubles. Its graph can be looked at all the same.
  void check_types() const;

  // The same of the embeddings alone, which llama.cpp looks up even where a graph is only looked at.
  void check_embeddings() const;

  // Tokens of a text. `with_bos`: preceded by BOS where the model wants it; `parse_special`: text such as </s> is the
  // special token.
  std::vector<Token> tokenize(std::string_view text, bool with_bos, bool parse_special) const;

  bool has_chat_template() const;
  std::string chat_template() const;  // as the file has it; empty where it has none

  // The messages as the model's own chat template writes them, up to where the answer begins; the template's special
  // tokens are text, for tokenize() to parse. Throws an Error when the model has no template, or one that llama.cpp
  // does not know.
  std::string chat_prompt(const std::vector<ChatMessage>& messages) const;

  // A user's message, after a system's where that is not empty.
  std::string chat_prompt(const std::string& system, const std::string& user) const;

  // The text of tokens; special tokens are written out.
  std::string text(const std::vector<Token>& tokens) const;

  // The text that tokenize() makes these tokens of, as far as there is one: without the space that some tokenizers put
  // before a text. Special tokens are written out.
  std::string detokenize(const std::vector<Token>& tokens) const;

  // A token as the vocabulary has it, "▁word".
  std::string_view vocabulary_entry(Token token) const;

  bool adds_bos() const;
  Token bos() const;
  Token eos() const;  // this and the next: negative where there is none
  Token pad() const;
  bool ends_generation(Token token) const;

 private:
  struct Free {
    void operator()(llama_model* model) const;
  };
  void refuse(const std::string& not_computed) const;  // nothing, where it is empty

  std::string path_;
  Offload offload_;
  std::unique_ptr<llama_model, Free> model_;
  double load_ms_ = 0;
  bool packs_weights_ = false;  // llama.cpp was allowed to
  mutable ModelTensors tensors_;
  std::string not_computed_;             // a tensor that check_types() refuses, and its type
  std::string embeddings_not_computed_;  // the same of the embeddings
};

}  // namespace fakequant
