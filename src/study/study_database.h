// A study: the scores of variants of one model on some texts, chunk by chunk, in a SQLite file that grows.
//
// The file holds sums over the predictions of a chunk, not figures. Added in the order of the chunks, they give the
// figures of `eval` to the bit, and chunks can be added later. docs/studies.md documents the schema; study_schema.h
// creates it. Several programs may read and write a study at once. A killed program loses only its current transaction.
//
// A study of an older version is read as it is. The first transaction that writes to it migrates it to the newest
// version.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/hidden_states.h"
#include "error.h"
#include "format/storage_bits.h"
#include "format/words.h"
#include "measure/overflow.h"
#include "measure/score_statistics.h"
#include "measure/text_chunks.h"

namespace SQLite {
class Database;
}

namespace fakequant {

struct StudyText {
  std::string name;  // the path, as first given
  std::string sha256;
};

// The conditions that all figures of a study share.
struct StudySubject {
  std::string model;  // the path, as first given
  std::string model_sha256;
  std::uint64_t model_size = 0;  // bytes
  int layers = 0;
  int ctx_size = 0;      // tokens
  int batch_size = 0;    // tokens
  std::string version;   // of the fakequant that created the study
  std::string engine;    // versions of llama.cpp and ggml
  std::string backends;  // used for the computation
  std::vector<StudyText> texts;
  std::string arithmetic = "native";  // in which products were computed
};

struct StudyVariant {
  std::string recipe;  // its rules in one line
  std::string site, format;
  std::optional<int> layer;  // unset: all layers that the site names
  std::string storage;       // of quantized weights: "promote F16", "requantize", or empty
  std::string files_sha256;  // of the ranges or the importance matrix that the format reads; empty if it reads neither
  std::optional<StartingPoint> start;     // set once the variant was measured
  std::optional<Overflow> overflow = {};  // set where a logit was NaN or infinite: the variant has no figures
};

// A weight, or an activation for one token, that a variant rounds.
struct StudySite {
  std::string name;  // the full name: "blk.3.ffn_down.weight" or "ffn_norm-3"
  ValueRows values;
  std::int64_t bits = 0;  // of the values in the untouched model

  bool operator==(const StudySite&) const = default;
};

// The predicted mean KL divergence of a variant, in nats, and its 95 % interval.
struct PredictedDivergence {
  double kld = 0;
  double low = 0, high = 0;
};

// The files of the study at `path`: itself, and those that SQLite may have beside it.
std::vector<std::string> study_files(const std::string& path);

// What an SQL query finds: the names of the columns, and rows of as many values.
using StudyValue = std::variant<std::monostate, std::int64_t, double, std::string>;  // the first is NULL
struct StudyRows {
  std::vector<std::string> columns;
  std::vector<std::vector<StudyValue>> rows;
};

// What the times of runs count.
inline double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Whether a run of a sweep goes on. That of a killed program stays `running`.
enum class RunState { running, interrupted, complete };

inline constexpr auto kRunStateWords = std::to_array<Word<RunState>>(
    {{"running", RunState::running}, {"interrupted", RunState::interrupted}, {"complete", RunState::complete}});

// A run of a sweep: its share of the variants, and how far it has come.
struct StudyRun {
  int shard = 1, shards = 1;
  std::string host;
  double began = 0, updated = 0;  // seconds since 1970
  double passes = 0, done = 0;    // evaluations of the whole model on a chunk: to do in this run, and done
  RunState state = RunState::running;
};

enum class StudyAccess {
  read,          // leaves nothing beside the study, and needs no permission to write
  write,         // with a log beside the study while it is open, in memory shared by the programs of one machine
  write_shared,  // without, so that it can be on a file system that several machines mount
};

class StudyDatabase {
 public:
  using VariantId = std::int64_t;

  // Opens the file; for writing, creates it if it does not exist. `path` is always the name of a file, even where
  // SQLite would treat it otherwise, such as ":memory:". Throws a usage error if it is empty, and an Error if the file
  // cannot be opened, is damaged, is not a study, or has a later version. All functions throw an Error if the file
  // cannot be read or written.
  StudyDatabase(const std::string& path, StudyAccess access);
  StudyDatabase(const StudyDatabase&) = delete;
  StudyDatabase& operator=(const StudyDatabase&) = delete;
  ~StudyDatabase();

  // Unset while the file is empty.
  std::optional<StudySubject> subject() const;

  // Runs `work` in a transaction, and rolls the transaction back if `work` throws.
  void transaction(const std::function<void()>& work);

  // Throws a usage error that ends with `advice` if the study has another subject. One list of texts may be a prefix of
  // the other.
  void check_subject(const StudySubject& subject, const std::string& advice = "name another file for this study") const;

  // The following must be called in a transaction.
  // Sets the subject of an empty study; otherwise checks it and adds texts.
  void set_subject(const StudySubject& subject);
  // Returns the id of the new or existing variant. Throws an Error if the study has the variant with other files.
  VariantId add_variant(const StudyVariant& variant);
  // Throws an Error if the study has different sums for this chunk. Fills in quantities that the study lacks.
  void add_score(VariantId variant, const ChunkPosition& position, const BaselineSums& baseline,
                 const ScoreSums& score);
  void set_start(VariantId variant, const StartingPoint& start);
  // Keeps the first of several.
  void set_overflow(VariantId variant, const Overflow& overflow);
  // Sets the sites that the variant rounds, unless they are set.
  void set_sites(VariantId variant, const std::vector<StudySite>& sites);
  // Replaces an earlier prediction.
  void set_prediction(VariantId variant, const PredictedDivergence& prediction);

  // Adds a run, and returns its id. Later update_run() says how far it has come.
  std::int64_t add_run(const StudyRun& run);
  void update_run(std::int64_t id, const StudyRun& run);

  // Runs a statement that returns rows. Throws a usage error if it is not one statement of SQL.
  StudyRows query(const std::string& sql) const;

  std::map<VariantId, StudyVariant> variants() const;
  // The sites that a variant rounds, by name; empty if the study does not record them.
  std::vector<StudySite> sites(VariantId variant) const;
  std::map<ChunkPosition, ScoreSums> scores(VariantId variant) const;
  std::int64_t score_count() const;  // of all variants
  std::map<ChunkPosition, BaselineSums> baseline() const;

  // In the order in which they began; empty where the study does not record them.
  std::vector<StudyRun> runs() const;

  // Includes variants that were measured later, whose measurements take precedence.
  std::map<VariantId, PredictedDivergence> predictions() const;

 private:
  template <typename Work>
  auto guarded(const Work& work) const;
  void open_to_read();
  void open_to_write(bool is_shared);
  void check_is_study() const;
  void add_baseline(const ChunkPosition& position, const BaselineSums& baseline);
  Error other_figures(const std::string& whose, const ChunkPosition& position) const;

  std::string path_;
  std::unique_ptr<SQLite::Database> database_;
};

}  // namespace fakequant
