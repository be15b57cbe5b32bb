#include "study/study_database.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "error.h"
#include "foreign_file.h"
#include "study/score_columns.h"
#include "study/study_schema.h"

namespace fakequant {
namespace {

constexpr int kBusyMilliseconds = 30'000;

// SQLite has no NaN; a study stores NULL instead.
double real(const SQLite::Column& column) {
  return column.isNull() ? std::numeric_limits<double>::quiet_NaN() : column.getDouble();
}

bool is_same(double a, double b) { return a == b || (a != a && b != b); }
bool is_same(const Moments& a, const Moments& b) { return is_same(a.sum, b.sum) && is_same(a.sum2, b.sum2); }

// Binds the first parameters of a statement.
template <typename... Values>
void bind_all(SQLite::Statement& statement, const Values&... values) {
  int parameter = 0;
  (statement.bind(++parameter, values), ...);
}

BaselineSums read_baseline(SQLite::Statement& row, int at) {
  return {row.getColumn(at).getInt64(), {real(row.getColumn(at + 1)), real(row.getColumn(at + 2))}};
}

std::vector<StudyText> read_texts(SQLite::Database& database) {
  std::vector<StudyText> texts;
  SQLite::Statement rows(database, "SELECT name, sha256 FROM texts ORDER BY id");
  while (rows.executeStep()) texts.push_back({rows.getColumn(0).getString(), rows.getColumn(1).getString()});
  return texts;
}

StudyValue value_of(const SQLite::Column& column) {
  if (column.isNull()) return {};
  if (column.isInteger()) return column.getInt64();
  if (column.isFloat()) return column.getDouble();
  return column.getString();
}

// Adds where variants overflowed.
void read_overflows(SQLite::Database& database, std::map<StudyDatabase::VariantId, StudyVariant>& variants) {
  SQLite::Statement rows(database,
                         "SELECT id, overflow_text, overflow_chunk, overflow_token, overflow_site FROM variants "
                         "WHERE overflow_text IS NOT NULL");
  while (rows.executeStep()) {
    variants[rows.getColumn(0).getInt64()].overflow = Overflow{{rows.getColumn(1).getInt(), rows.getColumn(2).getInt()},
                                                               rows.getColumn(3).getInt(),
                                                               rows.getColumn(4).getString()};
  }
}

std::string explain(const std::string& path, const SQLite::Exception& fault) {
  switch (fault.getErrorCode()) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return fmt::format("{} is not a study, or a damaged one: {}", path, fault.what());
    case SQLITE_FULL:
    case SQLITE_IOERR:
      return fmt::format("cannot write {}, the disk may be full: {}; what was measured before is kept", path,
                         fault.what());
    case SQLITE_BUSY:
      return fmt::format("{} is locked by another program: wait until that is done", path);
    case SQLITE_CANTOPEN:
      return fmt::format("cannot open {}: {}", path, fault.what());
    case SQLITE_READONLY:
      return fmt::format("cannot write {}: {}", path, fault.what());
    default:
      return fmt::format("{}: {}", path, fault.what());
  }
}

// The name under which SQLite opens the file as a file: it gives ":memory:", "file:..." and "" meanings of their own.
std::string file_name(const std::string& path) { return std::filesystem::absolute(path).string(); }

// Of a file that nobody writes to: SQLite then needs no files beside it.
std::string immutable_uri(const std::string& name) {
  std::string uri = "file:";
  for (const char c : name) uri += c == '%' || c == '?' || c == '#' ? fmt::format("%{:02x}", c) : std::string(1, c);
  return uri + "?immutable=1";
}

// True if what was written last may be beside the study and not in it.
bool is_in_use(const std::string& path) {
  std::error_code fault;
  const auto log_size = std::filesystem::file_size(path + "-wal", fault);
  return (!fault && log_size > 0) || std::filesystem::exists(path + "-shm", fault) ||
         std::filesystem::exists(path + "-journal", fault);
}

// True if the study is written with a rollback journal, and may be at any time: without one beside it nobody knows. The
// file format's versions are at offset 18 (https://sqlite.org/fileformat.html, section 1.3.3).
bool has_rollback_journal(const std::string& path) {
  constexpr std::size_t kWriteVersion = 18;
  const auto header = beginning_of(path);
  return header.size() > kWriteVersion && header[kWriteVersion] == 1;
}

// True if both the file and its folder may be written to.
bool can_write_beside(const std::string& name) {
  return access(name.c_str(), W_OK) == 0 && access(std::filesystem::path(name).parent_path().c_str(), W_OK | X_OK) == 0;
}

}  // namespace

std::vector<std::string> study_files(const std::string& path) {
  return {path, path + "-wal", path + "-shm", path + "-journal"};
}

template <typename Work>
auto StudyDatabase::guarded(const Work& work) const {
  try {
    return work();
  } catch (const SQLite::Exception& fault) {
    throw Error(explain(path_, fault));
  }
}

StudyDatabase::StudyDatabase(const std::string& path, StudyAccess access) : path_(path) {
  if (path.empty()) throw usage_error("the study has no name: name a file");
  if (std::error_code fault; std::filesystem::is_directory(path, fault)) {
    throw Error(fmt::format("{} is a folder: name a file", path));
  }
  refuse_lfs_pointer(path, beginning_of(path));
  guarded([&] { access == StudyAccess::read ? open_to_read() : open_to_write(access == StudyAccess::write_shared); });
}

void StudyDatabase::open_to_write(bool is_shared) {
  database_ = std::make_unique<SQLite::Database>(file_name(path_), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE,
                                                 kBusyMilliseconds);
  database_->exec("PRAGMA foreign_keys = ON");
  check_is_study();
  database_->exec(is_shared ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
  SQLite::Statement(*database_, is_shared ? "PRAGMA journal_mode = DELETE" : "PRAGMA journal_mode = WAL").executeStep();
}

void StudyDatabase::open_to_read() {
  const bool has_log = is_in_use(path_);
  const auto name = file_name(path_);
  if (can_write_beside(name)) {
    // SQLite itself removes what it puts beside the file, which it does not where it may only read.
    database_ = std::make_unique<SQLite::Database>(name, SQLite::OPEN_READWRITE, kBusyMilliseconds);
    database_->exec("PRAGMA query_only = ON");
    // A log that was there stays for the next sweep: what is only read is not changed.
    if (has_log) sqlite3_db_config(database_->getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    check_is_study();
    return;
  }
  if (!has_log && !has_rollback_journal(path_)) {
    const auto flags = SQLite::OPEN_READONLY | SQLite::OPEN_URI;
    database_ = std::make_unique<SQLite::Database>(immutable_uri(name), flags, kBusyMilliseconds);
    check_is_study();
    return;
  }
  try {
    database_ = std::make_unique<SQLite::Database>(name, SQLite::OPEN_READONLY, kBusyMilliseconds);
    check_is_study();
  } catch (const SQLite::Exception& fault) {
    if (fault.getErrorCode() != SQLITE_CANTOPEN && fault.getErrorCode() != SQLITE_READONLY) throw;
    throw Error(
        fmt::format("{} has a log beside it, {}-wal, of a sweep that runs or was interrupted, and reading it "
                    "needs permission to write in the folder: copy both files into a folder of your own",
                    path_, path_));
  }
}

StudyDatabase::~StudyDatabase() = default;

void StudyDatabase::check_is_study() const {
  if (!has_schema(*database_)) return;
  if (!is_study(*database_)) {
    throw Error(fmt::format("{} is a database, but not a study: name another file", path_));
  }
  if (const auto found = database_->execAndGet("PRAGMA quick_check(1)").getString(); found != "ok") {
    throw Error(fmt::format("{} is a damaged study: {}", path_, found));
  }
  if (const int version = schema_version(*database_); version > newest_schema_version()) {
    throw Error(
        fmt::format("{} is a study of version {}, and this program knows versions up to {}: use a newer fakequant",
                    path_, version, newest_schema_version()));
  }
}

void StudyDatabase::transaction(const std::function<void()>& work) {
  guarded([&] {
    SQLite::Transaction transaction(*database_, SQLite::TransactionBehavior::IMMEDIATE);
    if (has_schema(*database_)) migrate(*database_);
    work();
    transaction.commit();
  });
}

std::optional<StudySubject> StudyDatabase::subject() const {
  return guarded([&]() -> std::optional<StudySubject> {
    if (!has_schema(*database_)) return std::nullopt;
    SQLite::Statement row(*database_,
                          "SELECT model, model_sha256, model_size, layers, ctx_size, batch_size, version, engine, "
                          "backends FROM study");
    if (!row.executeStep()) throw Error(fmt::format("{} is a damaged study: it has no subject", path_));
    const bool has_arithmetic = schema_version(*database_) >= kArithmeticSince;
    return StudySubject{row.getColumn(0).getString(),
                        row.getColumn(1).getString(),
                        static_cast<std::uint64_t>(row.getColumn(2).getInt64()),
                        row.getColumn(3).getInt(),
                        row.getColumn(4).getInt(),
                        row.getColumn(5).getInt(),
                        row.getColumn(6).getString(),
                        row.getColumn(7).getString(),
                        row.getColumn(8).getString(),
                        read_texts(*database_),
                        has_arithmetic ? database_->execAndGet("SELECT arithmetic FROM study").getString() : "native"};
  });
}

void StudyDatabase::check_subject(const StudySubject& asked, const std::string& advice) const {
  const auto own = subject();
  if (!own) return;
  const auto refuse = [&](const std::string& why) { return usage_error(fmt::format("{} {}: {}", path_, why, advice)); };
  if (own->model_sha256 != asked.model_sha256) {
    throw refuse(fmt::format("is a study of the model {} (SHA-256 {}...), and {} is another ({}...)", own->model,
                             own->model_sha256.substr(0, 12), asked.model, asked.model_sha256.substr(0, 12)));
  }
  for (std::size_t i = 0; i < std::min(own->texts.size(), asked.texts.size()); ++i) {
    const auto &known = own->texts[i], &given = asked.texts[i];
    if (known.sha256 != given.sha256) {
      throw refuse(
          fmt::format("is a study on the text {} (SHA-256 {}...), and {} is another ({}...); further texts "
                      "can be added after it",
                      known.name, known.sha256.substr(0, 12), given.name, given.sha256.substr(0, 12)));
    }
  }
  if (own->ctx_size != asked.ctx_size) {
    throw refuse(fmt::format("is a study with chunks of {} tokens, and not {}", own->ctx_size, asked.ctx_size));
  }
  if (own->batch_size != asked.batch_size) {
    throw refuse(fmt::format("is a study with batches of {} tokens, and not {}", own->batch_size, asked.batch_size));
  }
  if (own->arithmetic != asked.arithmetic) {
    throw refuse(fmt::format("was measured in {} arithmetic, and not in {}", own->arithmetic, asked.arithmetic));
  }
  if (own->engine != asked.engine || own->backends != asked.backends) {
    throw refuse(fmt::format("was measured with {} on {}, and not with {} on {}, which differ in the last digits",
                             own->engine, own->backends, asked.engine, asked.backends));
  }
}

void StudyDatabase::set_subject(const StudySubject& asked) {
  guarded([&] {
    std::size_t known = 0;
    if (const auto own = subject()) {
      check_subject(asked);
      known = own->texts.size();
    } else {
      create_schema(*database_);
      SQLite::Statement insert(*database_,
                               "INSERT INTO study (id, schema_version, model, model_sha256, model_size, layers, "
                               "ctx_size, batch_size, version, engine, backends, arithmetic) "
                               "VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
      bind_all(insert, newest_schema_version(), asked.model, asked.model_sha256,
               static_cast<std::int64_t>(asked.model_size), asked.layers, asked.ctx_size, asked.batch_size,
               asked.version, asked.engine, asked.backends, asked.arithmetic);
      insert.exec();
    }
    for (auto i = known; i < asked.texts.size(); ++i) {
      SQLite::Statement insert(*database_, "INSERT INTO texts (id, name, sha256) VALUES (?, ?, ?)");
      bind_all(insert, static_cast<std::int64_t>(i), asked.texts[i].name, asked.texts[i].sha256);
      insert.exec();
    }
  });
}

StudyDatabase::VariantId StudyDatabase::add_variant(const StudyVariant& variant) {
  return guarded([&] {
    SQLite::Statement find(*database_, "SELECT id, files_sha256 FROM variants WHERE recipe = ? AND storage = ?");
    bind_all(find, variant.recipe, variant.storage);
    if (find.executeStep()) {
      if (find.getColumn(1).getString() != variant.files_sha256) {
        throw Error(
            fmt::format("the file that {} reads has changed since the study {} was made", variant.recipe, path_));
      }
      return find.getColumn(0).getInt64();
    }
    SQLite::Statement insert(*database_,
                             "INSERT INTO variants (recipe, site, layer, format, storage, files_sha256) "
                             "VALUES (?, ?, ?, ?, ?, ?)");
    insert.bind(1, variant.recipe);
    insert.bind(2, variant.site);
    if (variant.layer) insert.bind(3, *variant.layer);
    insert.bind(4, variant.format);
    insert.bind(5, variant.storage);
    insert.bind(6, variant.files_sha256);
    insert.exec();
    return database_->getLastInsertRowid();
  });
}

void StudyDatabase::add_score(VariantId variant, const ChunkPosition& position, const BaselineSums& baseline,
                              const ScoreSums& score) {
  guarded([&] {
    add_baseline(position, baseline);
    auto sums = score;
    SQLite::Statement scored(*database_,
                             fmt::format("SELECT {} FROM scores WHERE variant = ? AND text = ? AND chunk = ?",
                                         selected_score_columns(newest_schema_version())));
    bind_all(scored, variant, position.text, position.chunk);
    if (scored.executeStep()) {
      const auto stored = read_score(scored, 0);
      if (!agree(stored, score)) throw other_figures("variant's", position);
      sums = stored;
      if (!fill_in_missing(sums, score)) return;
    }
    SQLite::Statement insert(
        *database_, fmt::format("INSERT OR REPLACE INTO scores (variant, text, chunk, {}) VALUES (?, ?, ?, {})",
                                inserted_score_columns(), score_placeholders()));
    bind_all(insert, variant, position.text, position.chunk);
    bind_score(insert, 4, sums);
    insert.exec();
  });
}

// The baseline's sums of a chunk, which all variants share.
void StudyDatabase::add_baseline(const ChunkPosition& position, const BaselineSums& baseline) {
  SQLite::Statement known(*database_, "SELECT predictions, nll, nll_squared FROM chunks WHERE text = ? AND chunk = ?");
  bind_all(known, position.text, position.chunk);
  if (known.executeStep()) {
    const auto own = read_baseline(known, 0);
    if (own.count != baseline.count || !is_same(own.nll, baseline.nll)) throw other_figures("baseline's", position);
    return;
  }
  SQLite::Statement insert(*database_,
                           "INSERT INTO chunks (text, chunk, predictions, nll, nll_squared) VALUES (?, ?, ?, ?, ?)");
  bind_all(insert, position.text, position.chunk, baseline.count, baseline.nll.sum, baseline.nll.sum2);
  insert.exec();
}

Error StudyDatabase::other_figures(const std::string& whose, const ChunkPosition& position) const {
  return Error(fmt::format(
      "the {} figures for chunk {} of text {} are not those in the study {}: this machine computes other last digits",
      whose, position.chunk, position.text, path_));
}

void StudyDatabase::set_start(VariantId variant, const StartingPoint& start) {
  guarded([&] {
    SQLite::Statement update(*database_,
                             "UPDATE variants SET first_layer = ?, why_whole = ? WHERE id = ? AND first_layer IS NULL");
    bind_all(update, start.layer, start.why_whole, variant);
    update.exec();
  });
}

void StudyDatabase::set_overflow(VariantId variant, const Overflow& overflow) {
  guarded([&] {
    SQLite::Statement update(*database_,
                             "UPDATE variants SET overflow_text = ?, overflow_chunk = ?, overflow_token = ?, "
                             "overflow_site = ? WHERE id = ? AND (overflow_text IS NULL OR (overflow_text, "
                             "overflow_chunk) > (?, ?))");
    const auto& [text, chunk] = overflow.position;
    bind_all(update, text, chunk, overflow.token, overflow.site, variant, text, chunk);
    update.exec();
  });
}

void StudyDatabase::set_sites(VariantId variant, const std::vector<StudySite>& sites) {
  guarded([&] {
    SQLite::Statement insert(*database_,
                             "INSERT OR IGNORE INTO variant_sites (variant, name, rows, row_length, bits) "
                             "VALUES (?, ?, ?, ?, ?)");
    for (const auto& site : sites) {
      bind_all(insert, variant, site.name, site.values.rows, site.values.length, site.bits);
      insert.exec();
      insert.reset();
    }
  });
}

std::vector<StudySite> StudyDatabase::sites(VariantId variant) const {
  return guarded([&] {
    std::vector<StudySite> sites;
    if (!database_->tableExists("variant_sites")) return sites;
    SQLite::Statement rows(*database_,
                           "SELECT name, rows, row_length, bits FROM variant_sites WHERE variant = ? ORDER BY name");
    rows.bind(1, variant);
    while (rows.executeStep()) {
      sites.push_back({rows.getColumn(0).getString(),
                       {rows.getColumn(1).getInt64(), rows.getColumn(2).getInt64()},
                       rows.getColumn(3).getInt64()});
    }
    return sites;
  });
}

void StudyDatabase::set_prediction(VariantId variant, const PredictedDivergence& prediction) {
  guarded([&] {
    SQLite::Statement insert(*database_,
                             "INSERT OR REPLACE INTO predictions (variant, kld, low, high) VALUES (?, ?, ?, ?)");
    bind_all(insert, variant, prediction.kld, prediction.low, prediction.high);
    insert.exec();
  });
}

std::int64_t StudyDatabase::add_run(const StudyRun& run) {
  return guarded([&] {
    SQLite::Statement insert(*database_,
                             "INSERT INTO runs (shard, shards, host, began, updated, passes, done, state) "
                             "VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    bind_all(insert, run.shard, run.shards, run.host, run.began, run.updated, run.passes, run.done,
             std::string(word_of_value(kRunStateWords, run.state)));
    insert.exec();
    return database_->getLastInsertRowid();
  });
}

void StudyDatabase::update_run(std::int64_t id, const StudyRun& run) {
  guarded([&] {
    SQLite::Statement update(*database_, "UPDATE runs SET updated = ?, passes = ?, done = ?, state = ? WHERE id = ?");
    bind_all(update, run.updated, run.passes, run.done, std::string(word_of_value(kRunStateWords, run.state)), id);
    update.exec();
  });
}

std::vector<StudyRun> StudyDatabase::runs() const {
  return guarded([&] {
    std::vector<StudyRun> runs;
    if (!has_schema(*database_) || schema_version(*database_) < kRunsSince) return runs;
    SQLite::Statement rows(
        *database_, "SELECT shard, shards, host, began, updated, passes, done, state FROM runs ORDER BY began, id");
    while (rows.executeStep()) {
      runs.push_back({rows.getColumn(0).getInt(), rows.getColumn(1).getInt(), rows.getColumn(2).getString(),
                      rows.getColumn(3).getDouble(), rows.getColumn(4).getDouble(), rows.getColumn(5).getDouble(),
                      rows.getColumn(6).getDouble(),
                      value_of_word(kRunStateWords, rows.getColumn(7).getString()).value_or(RunState::interrupted)});
    }
    return runs;
  });
}

StudyRows StudyDatabase::query(const std::string& sql) const {
  try {
    SQLite::Statement statement(*database_, sql);
    StudyRows found;
    for (int c = 0; c < statement.getColumnCount(); ++c) found.columns.emplace_back(statement.getColumnName(c));
    if (found.columns.empty()) throw usage_error("the query returns no rows: write a SELECT");
    while (statement.executeStep()) {
      auto& row = found.rows.emplace_back();
      for (int c = 0; c < statement.getColumnCount(); ++c) row.push_back(value_of(statement.getColumn(c)));
    }
    return found;
  } catch (const SQLite::Exception& fault) {
    throw usage_error(fmt::format("the query cannot be run: {}", fault.what()));
  }
}

std::map<StudyDatabase::VariantId, StudyVariant> StudyDatabase::variants() const {
  return guarded([&] {
    std::map<VariantId, StudyVariant> variants;
    if (!has_schema(*database_)) return variants;
    SQLite::Statement rows(*database_,
                           "SELECT id, recipe, site, layer, format, storage, files_sha256, first_layer, why_whole "
                           "FROM variants ORDER BY id");
    while (rows.executeStep()) {
      auto& variant = variants[rows.getColumn(0).getInt64()];
      variant.recipe = rows.getColumn(1).getString();
      variant.site = rows.getColumn(2).getString();
      if (!rows.getColumn(3).isNull()) variant.layer = rows.getColumn(3).getInt();
      variant.format = rows.getColumn(4).getString();
      variant.storage = rows.getColumn(5).getString();
      variant.files_sha256 = rows.getColumn(6).getString();
      if (!rows.getColumn(7).isNull()) {
        variant.start = StartingPoint{rows.getColumn(7).getInt(), rows.getColumn(8).getString()};
      }
    }
    if (schema_version(*database_) >= kOverflowsSince) read_overflows(*database_, variants);
    return variants;
  });
}

std::map<ChunkPosition, ScoreSums> StudyDatabase::scores(VariantId variant) const {
  return guarded([&] {
    std::map<ChunkPosition, ScoreSums> scores;
    SQLite::Statement rows(*database_, fmt::format("SELECT text, chunk, {} FROM scores WHERE variant = ?",
                                                   selected_score_columns(schema_version(*database_))));
    rows.bind(1, variant);
    while (rows.executeStep()) {
      scores[{rows.getColumn(0).getInt(), rows.getColumn(1).getInt()}] = read_score(rows, 2);
    }
    return scores;
  });
}

std::int64_t StudyDatabase::score_count() const {
  return guarded([&]() -> std::int64_t {
    return has_schema(*database_) ? database_->execAndGet("SELECT count(*) FROM scores").getInt64() : 0;
  });
}

std::map<ChunkPosition, BaselineSums> StudyDatabase::baseline() const {
  return guarded([&] {
    std::map<ChunkPosition, BaselineSums> chunks;
    if (!has_schema(*database_)) return chunks;
    SQLite::Statement rows(*database_, "SELECT text, chunk, predictions, nll, nll_squared FROM chunks");
    while (rows.executeStep()) {
      chunks[{rows.getColumn(0).getInt(), rows.getColumn(1).getInt()}] = read_baseline(rows, 2);
    }
    return chunks;
  });
}

std::map<StudyDatabase::VariantId, PredictedDivergence> StudyDatabase::predictions() const {
  return guarded([&] {
    std::map<VariantId, PredictedDivergence> predictions;
    if (!database_->tableExists("predictions")) return predictions;  // some studies of version 1 lack it
    SQLite::Statement rows(*database_, "SELECT variant, kld, low, high FROM predictions");
    while (rows.executeStep()) {
      predictions[rows.getColumn(0).getInt64()] = {rows.getColumn(1).getDouble(), rows.getColumn(2).getDouble(),
                                                   rows.getColumn(3).getDouble()};
    }
    return predictions;
  });
}

}  // namespace fakequant
