// A study: what variants of one model lose on some texts, chunk by chunk, in a SQLite file that grows.
//
// What is kept are sums over a chunk's predictions, not figures: they can be added to later, and added up in the
// chunks' order they give the figures that `eval` gives, to the bit. docs/studies.md has the schema. Several programs
// may read and write a study at once. A program that is killed loses nothing but the transaction that it was in.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/hidden_states.h"
#include "format/storage_bits.h"
#include "measure/score_statistics.h"

namespace SQLite {
class Database;
}

namespace fakequant {

struct StudyText {
  std::string name;  // its path, as it was first given
  std::string sha256;
};

// What all figures of a study have in common.
struct StudySubject {
  std::string model;  // its path, as it was first given
  std::string model_sha256;
  std::uint64_t model_size = 0;  // bytes
  int layers = 0;
  int ctx_size = 0;      // tokens
  int batch_size = 0;    // tokens
  std::string version;   // of the fakequant that made the study
  std::string engine;    // llama.cpp's and ggml's versions
  std::string backends;  // that computed
  std::vector<StudyText> texts;
};

struct StudyVariant {
  std::string recipe;        // its rules in one line
  std::string site, format;  // what it is in the study's table
  std::optional<int> layer;  // none: all that the site names
  std::string storage;       // of quantized weights: "promote F16", "requantize", or empty
  std::string files_sha256;  // of the ranges or the importance matrix that the format reads; empty where it reads none
  std::optional<StartingPoint> start;  // once it has been measured
};

// A weight, or an activation for one token, that a variant rounds.
struct StudySite {
  std::string name;  // the whole one, "blk.3.ffn_down.weight" or "ffn_norm-3"
  ValueRows values;
  std::int64_t bits = 0;  // that they take in the untouched model

  bool operator==(const StudySite&) const = default;
};

// A chunk by its text's place among the study's and its number in it.
struct ChunkPlace {
  int text = 0;
  int chunk = 0;

  bool operator<(const ChunkPlace& other) const { return std::pair(text, chunk) < std::pair(other.text, other.chunk); }
};

// What a variant's predictions of a chunk add up to, and the largest divergence among them.
struct StudyScore {
  ScoreSums sums;
  double kld_max = 0;
};

// The mean divergence of a variant that was not measured, in nats: the likely value, and the ends of the interval that
// should hold it in 95 of 100 cases.
struct PredictedDivergence {
  double kld = 0;
  double low = 0, high = 0;
};

enum class StudyAccess { read, write };

class StudyDatabase {
 public:
  using VariantId = std::int64_t;

  // Opens the file; to write, makes one where there is none. Throws an Error when it cannot be opened, when it is
  // damaged or no study, or one of a later version; as all functions do when the file cannot be read or written.
  StudyDatabase(const std::string& path, StudyAccess access);
  StudyDatabase(const StudyDatabase&) = delete;
  StudyDatabase& operator=(const StudyDatabase&) = delete;
  ~StudyDatabase();

  // What it is a study of; none while there is nothing in it.
  std::optional<StudySubject> subject() const;

  // All that `work` writes is written, or, when it throws, nothing.
  void transaction(const std::function<void()>& work);

  // Throws a usage error, which ends with what to do, when the study is one of another subject. The texts must begin as
  // the study's do, or the study's as these.
  void check_subject(const StudySubject& subject, const std::string& advice = "name another file for this study") const;

  // The following are called in a transaction.
  // Makes this its subject, or checks that it is and adds texts.
  void set_subject(const StudySubject& subject);
  // Throws an Error where the study has the variant with other files.
  VariantId add_variant(const StudyVariant& variant);
  // Throws an Error where the study has other sums for it.
  void add_score(VariantId variant, const ChunkPlace& place, const BaselineSums& baseline, const StudyScore& score);
  void set_start(VariantId variant, const StartingPoint& start);
  // Says what the variant rounds; that it is said once more changes nothing.
  void set_sites(VariantId variant, const std::vector<StudySite>& sites);
  // In place of the one before, if there was one.
  void set_prediction(VariantId variant, const PredictedDivergence& prediction);

  std::map<VariantId, StudyVariant> variants() const;
  // What a variant rounds, by name; empty where the study does not say.
  std::vector<StudySite> sites(VariantId variant) const;
  std::map<ChunkPlace, StudyScore> scores(VariantId variant) const;
  std::map<ChunkPlace, BaselineSums> baseline() const;

  // What was predicted, also of variants that have been measured since: what was measured goes before it.
  std::map<VariantId, PredictedDivergence> predictions() const;

 private:
  template <typename Work>
  auto guarded(const Work& work) const;
  void check_is_study() const;
  bool has_tables() const;
  bool has_predictions() const;

  std::string path_;
  std::unique_ptr<SQLite::Database> database_;
};

}  // namespace fakequant
