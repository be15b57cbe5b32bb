#include "engine/model.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "engine/backend.h"
#include "engine/load_parts.h"
#include "error.h"
#include "gguf/gguf_model.h"
#include "gguf/tensor_type.h"

namespace fakequant {
namespace {

// "blk.0.ffn_up.weight is stored as F64", of the first tensor that llama.cpp cannot compute with; empty if there is
// none.
std::string find_uncomputed(const GgufModel& model, std::string_view only = {}) {
  for (const auto& tensor : model.tensors()) {
    if (!only.empty() && tensor.name != only) continue;
    if (is_plain_float(tensor.type) || is_quantized(tensor.type)) continue;
    // The experts of each token's id, which llama.cpp looks up and does not multiply with.
    if (tensor.name.find("tid2eid") != std::string::npos) continue;
    return fmt::format("{} is stored as {}", tensor.name, type_name(tensor.type));
  }
  return {};
}

const llama_vocab* vocabulary(const llama_model* model) { return llama_model_get_vocab(model); }

}  // namespace

void check_layers(const GgufModel& model) {
  const auto& file = model.first();
  const auto architecture = file.find_string("general.architecture");
  if (!architecture) throw Error(fmt::format("{} is not a model: it has no general.architecture", file.path()));
  const auto key = *architecture + ".block_count";
  const auto layers = file.find_integer(key);
  if (!layers) throw Error(fmt::format("{} is not a model: it has no {}", file.path(), key));
  const int found = layer_count(model.tensors());
  // Layers for predicting further tokens are counted, and may have been left out of the file.
  const auto further = file.find_integer(*architecture + ".nextn_predict_layers").value_or(0);
  if (*layers <= 0 || *layers > found + std::clamp<std::int64_t>(further, 0, 16)) {
    throw Error(fmt::format("{} is damaged: its {} is {}, and its tensors belong to {} layers", file.path(), key,
                            *layers, found));
  }
}

void Model::Free::operator()(llama_model* model) const { llama_model_free(model); }

Model::Model(const std::vector<std::string>& parts, const DeviceOptions& devices, Arithmetic arithmetic)
    : path_(parts.front()) {
  const GgufModel file(parts);
  check_layers(file);
  not_computed_ = find_uncomputed(file);
  embeddings_not_computed_ = find_uncomputed(file, "token_embd.weight");
  start_backends();
  offload_ = open_devices(devices);
  if (arithmetic == Arithmetic::f32 && is_offloaded()) {
    throw usage_error(
        "f32 arithmetic is computed on this machine's processor: take native arithmetic for layers on "
        "devices");
  }
  auto wanted = offload_.devices;
  wanted.push_back(nullptr);  // the list's end; without a list llama.cpp takes all devices there are
  clear_engine_error();
  auto parameters = llama_model_default_params();
  parameters.devices = wanted.data();
  parameters.n_gpu_layers = offload_.layers;
  packs_weights_ = devices.repack && arithmetic == Arithmetic::native;
  parameters.use_extra_bufts = packs_weights_;
  const auto begin = std::chrono::steady_clock::now();
  model_.reset(load_parts(parts, parameters));
  load_ms_ = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  if (!model_) throw Error(fmt::format("llama.cpp cannot load {}: {}", path_, engine_error()));
  if (llama_model_has_encoder(model_.get()) || !llama_model_has_decoder(model_.get())) {
    throw Error(fmt::format("{} has an encoder: fakequant measures models that only decode", path_));
  }
  if (trained_context() < 4) {
    throw Error(
        fmt::format("{} is damaged: it says it was trained for a context of {} tokens", path_, trained_context()));
  }
  if (llama_vocab_type(vocabulary(model_.get())) == LLAMA_VOCAB_TYPE_NONE) {
    throw Error(fmt::format("{} has no tokenizer: text cannot be measured with it", path_));
  }
}

void Model::check_types() const { refuse(not_computed_); }

void Model::check_embeddings() const { refuse(embeddings_not_computed_); }

void Model::refuse(const std::string& not_computed) const {
  if (not_computed.empty()) return;
  throw Error(fmt::format("{} cannot be run: {}, and llama.cpp computes with floats and quantized tensors only", path_,
                          not_computed));
}

void Model::note_tensors(const ModelTensors& tensors) const {
  for (const auto& [name, of_name] : tensors) {
    for (const auto& [tensor, may_be_packed] : of_name) {
      add_tensor(tensors_, name, tensor, packs_weights_ && may_be_packed);
    }
  }
}

int Model::layers() const { return llama_model_n_layer(model_.get()); }

int Model::vocabulary_size() const { return llama_vocab_n_tokens(vocabulary(model_.get())); }

bool Model::has_recurrent_layers() const {
  return llama_model_is_recurrent(model_.get()) || llama_model_is_hybrid(model_.get());
}

int Model::trained_context() const { return llama_model_n_ctx_train(model_.get()); }

std::vector<Token> Model::tokenize(std::string_view text, bool with_bos, bool parse_special) const {
  if (text.size() >= std::numeric_limits<std::int32_t>::max()) {
    throw Error("the text has 2 GiB or more: give a part of it");
  }
  const auto length = static_cast<std::int32_t>(text.size());
  std::vector<Token> tokens(text.size() + 2);
  auto count = llama_tokenize(vocabulary(model_.get()), text.data(), length, tokens.data(),
                              static_cast<std::int32_t>(tokens.size()), with_bos, parse_special);
  if (count < 0 && count != std::numeric_limits<std::int32_t>::min()) {
    tokens.resize(static_cast<std::size_t>(-count));
    count = llama_tokenize(vocabulary(model_.get()), text.data(), length, tokens.data(),
                           static_cast<std::int32_t>(tokens.size()), with_bos, parse_special);
  }
  if (count < 0) throw Error(fmt::format("the tokenizer of {} cannot split this text", path_));
  tokens.resize(static_cast<std::size_t>(count));
  // Some files ask for an EOS after every text. Here every text goes on: after a prompt, or in the next chunk.
  const auto* vocab = vocabulary(model_.get());
  if (with_bos && llama_vocab_get_add_eos(vocab) && !tokens.empty() && tokens.back() == llama_vocab_eos(vocab)) {
    tokens.pop_back();
  }
  return tokens;
}

bool Model::has_chat_template() const { return llama_model_chat_template(model_.get(), nullptr) != nullptr; }

std::string Model::chat_template() const {
  const char* text = llama_model_chat_template(model_.get(), nullptr);
  return text == nullptr ? std::string() : text;
}

std::string Model::chat_prompt(const std::vector<ChatMessage>& messages) const {
  const char* chat_template = llama_model_chat_template(model_.get(), nullptr);
  if (chat_template == nullptr) {
    throw Error(
        fmt::format("{} has no chat template: give the whole prompt as the model expects it instead of a chat", path_));
  }
  std::vector<llama_chat_message> parts;
  std::size_t size = 256;
  for (const auto& message : messages) {
    parts.push_back({message.role.c_str(), message.content.c_str()});
    size += 2 * (message.role.size() + message.content.size());
  }
  std::string text(size, '\0');
  const auto apply = [&] {
    return llama_chat_apply_template(chat_template, parts.data(), parts.size(), true, text.data(),
                                     static_cast<std::int32_t>(text.size()));
  };
  auto length = apply();
  if (length > static_cast<std::int32_t>(text.size())) {
    text.resize(static_cast<std::size_t>(length));
    length = apply();
  }
  if (length < 0) {
    throw Error(
        fmt::format("llama.cpp does not know the chat template of {}: give the whole prompt as the model expects it "
                    "instead of a chat",
                    path_));
  }
  text.resize(static_cast<std::size_t>(length));
  return text;
}

std::string Model::chat_prompt(const std::string& system, const std::string& user) const {
  std::vector<ChatMessage> messages;
  if (!system.empty()) messages.push_back({"system", system});
  messages.push_back({"user", user});
  return chat_prompt(messages);
}

std::string Model::text(const std::vector<Token>& tokens) const {
  std::string text;
  for (const auto token : tokens) {
    std::string piece(32, '\0');
    auto length = llama_token_to_piece(vocabulary(model_.get()), token, piece.data(),
                                       static_cast<std::int32_t>(piece.size()), 0, true);
    if (length < 0) {
      piece.resize(static_cast<std::size_t>(-length));
      length = llama_token_to_piece(vocabulary(model_.get()), token, piece.data(),
                                    static_cast<std::int32_t>(piece.size()), 0, true);
    }
    text.append(piece, 0, static_cast<std::size_t>(std::max(length, 0)));
  }
  return text;
}

std::string Model::detokenize(const std::vector<Token>& tokens) const {
  std::string text(8 * tokens.size() + 32, '\0');
  const auto write = [&] {
    return llama_detokenize(vocabulary(model_.get()), tokens.data(), static_cast<std::int32_t>(tokens.size()),
                            text.data(), static_cast<std::int32_t>(text.size()), false, true);
  };
  auto length = write();
  if (length < 0) {
    text.resize(static_cast<std::size_t>(-length));
    length = write();
  }
  text.resize(static_cast<std::size_t>(std::max(length, 0)));
  return text;
}

std::string_view Model::vocabulary_entry(Token token) const {
  const char* text = llama_vocab_get_text(vocabulary(model_.get()), token);
  return text == nullptr ? std::string_view() : text;
}

bool Model::adds_bos() const { return llama_vocab_get_add_bos(vocabulary(model_.get())); }

Token Model::bos() const { return llama_vocab_bos(vocabulary(model_.get())); }

Token Model::eos() const { return llama_vocab_eos(vocabulary(model_.get())); }

Token Model::pad() const { return llama_vocab_pad(vocabulary(model_.get())); }

bool Model::ends_generation(Token token) const { return llama_vocab_is_eog(vocabulary(model_.get()), token); }

}  // namespace fakequant
