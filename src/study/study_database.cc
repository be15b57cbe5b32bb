#include "study/study_database.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>

#include "error.h"

namespace fakequant {
namespace {

constexpr int kSchemaVersion = 1;
constexpr int kApplicationId = 0x66716e74;  // "fqnt", by which file(1) and we know a study
constexpr int kBusyMilliseconds = 30'000;

constexpr auto kSchema = R"sql(
CREATE TABLE study (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  schema_version INTEGER NOT NULL,
  model TEXT NOT NULL,
  model_sha256 TEXT NOT NULL,
  model_size INTEGER NOT NULL,
  layers INTEGER NOT NULL,
  ctx_size INTEGER NOT NULL,
  batch_size INTEGER NOT NULL,
  version TEXT NOT NULL,
  engine TEXT NOT NULL,
  backends TEXT NOT NULL
);
CREATE TABLE texts (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL UNIQUE
);
CREATE TABLE variants (
  id INTEGER PRIMARY KEY,
  recipe TEXT NOT NULL,
  site TEXT NOT NULL,
  layer INTEGER,
  format TEXT NOT NULL,
  storage TEXT NOT NULL,
  files_sha256 TEXT NOT NULL,
  first_layer INTEGER,
  why_whole TEXT,
  UNIQUE (recipe, storage)
);
CREATE TABLE chunks (
  text INTEGER NOT NULL REFERENCES texts (id),
  chunk INTEGER NOT NULL,
  predictions INTEGER NOT NULL,
  nll REAL, nll_squared REAL,
  PRIMARY KEY (text, chunk)
) WITHOUT ROWID;
CREATE TABLE scores (
  variant INTEGER NOT NULL REFERENCES variants (id),
  text INTEGER NOT NULL,
  chunk INTEGER NOT NULL,
  predictions INTEGER NOT NULL,
  nll REAL, nll_squared REAL,
  nll_baseline REAL, nll_baseline_squared REAL,
  nll_change REAL, nll_change_squared REAL,
  kld REAL, kld_squared REAL,
  delta_p REAL, delta_p_squared REAL,
  delta_p2 REAL, delta_p2_squared REAL,
  same_top INTEGER NOT NULL,
  top5_common INTEGER NOT NULL,
  top10_common INTEGER NOT NULL,
  kld_max REAL,
  PRIMARY KEY (variant, text, chunk),
  FOREIGN KEY (text, chunk) REFERENCES chunks (text, chunk)
) WITHOUT ROWID;
CREATE VIEW figures AS
  SELECT recipe, site, layer, format, storage, count(*) AS chunks, sum(predictions) AS predictions,
         sum(kld) / sum(predictions) AS kld, max(kld_max) AS kld_max,
         sum(nll_change) / sum(predictions) AS log_ppl_ratio,
         1.0 * sum(same_top) / sum(predictions) AS top1_agreement, first_layer, why_whole
  FROM variants JOIN scores ON scores.variant = variants.id GROUP BY variants.id;
)sql";

// By itself: a study that was begun without it gets it when a sweep goes on with it.
constexpr auto kSiteSchema = R"sql(
CREATE TABLE IF NOT EXISTS variant_sites (
  variant INTEGER NOT NULL REFERENCES variants (id),
  name TEXT NOT NULL,
  rows INTEGER NOT NULL,
  row_length INTEGER NOT NULL,
  bits INTEGER NOT NULL,
  PRIMARY KEY (variant, name)
) WITHOUT ROWID;
)sql";

// Studies that were made before there were predictions get the table when they are next written to.
constexpr auto kPredictionsSchema = R"sql(
CREATE TABLE IF NOT EXISTS predictions (
  variant INTEGER PRIMARY KEY REFERENCES variants (id),
  kld REAL NOT NULL,
  low REAL NOT NULL,
  high REAL NOT NULL
);
)sql";

// The places of a score's REAL columns, in their order.
constexpr std::array kMoments = {&ScoreSums::nll, &ScoreSums::nll_baseline, &ScoreSums::nll_change,
                                 &ScoreSums::kld, &ScoreSums::delta_p,      &ScoreSums::delta_p2};
constexpr auto kScoreColumns =
    "predictions, nll, nll_squared, nll_baseline, nll_baseline_squared, nll_change, nll_change_squared, kld, "
    "kld_squared, delta_p, delta_p_squared, delta_p2, delta_p2_squared, same_top, top5_common, top10_common, kld_max";

// SQLite has no NaN: it is NULL there.
double real(const SQLite::Column& column) {
  return column.isNull() ? std::numeric_limits<double>::quiet_NaN() : column.getDouble();
}

bool is_same(double a, double b) { return a == b || (a != a && b != b); }
bool is_same(const Moments& a, const Moments& b) { return is_same(a.sum, b.sum) && is_same(a.sum2, b.sum2); }

bool is_same(const StudyScore& a, const StudyScore& b) {
  const auto &x = a.sums, &y = b.sums;
  return x.count == y.count && x.same_top == y.same_top && x.top5_common == y.top5_common &&
         x.top10_common == y.top10_common && is_same(a.kld_max, b.kld_max) &&
         std::all_of(kMoments.begin(), kMoments.end(), [&](auto moments) { return is_same(x.*moments, y.*moments); });
}

BaselineSums read_baseline(SQLite::Statement& row, int at) {
  return {row.getColumn(at).getInt64(), {real(row.getColumn(at + 1)), real(row.getColumn(at + 2))}};
}

StudyScore read_score(SQLite::Statement& row, int at) {
  StudyScore score;
  const auto count = [&] { return row.getColumn(at++).getInt64(); };
  score.sums.count = count();
  for (auto moments : kMoments) {
    (score.sums.*moments).sum = real(row.getColumn(at++));
    (score.sums.*moments).sum2 = real(row.getColumn(at++));
  }
  score.sums.same_top = count();
  score.sums.top5_common = count();
  score.sums.top10_common = count();
  score.kld_max = real(row.getColumn(at));
  return score;
}

void bind_score(SQLite::Statement& statement, int at, const StudyScore& score) {
  statement.bind(at++, score.sums.count);
  for (auto moments : kMoments) {
    statement.bind(at++, (score.sums.*moments).sum);
    statement.bind(at++, (score.sums.*moments).sum2);
  }
  statement.bind(at++, score.sums.same_top);
  statement.bind(at++, score.sums.top5_common);
  statement.bind(at++, score.sums.top10_common);
  statement.bind(at, score.kld_max);
}

std::vector<StudyText> read_texts(SQLite::Database& database) {
  std::vector<StudyText> texts;
  SQLite::Statement rows(database, "SELECT name, sha256 FROM texts ORDER BY id");
  while (rows.executeStep()) texts.push_back({rows.getColumn(0).getString(), rows.getColumn(1).getString()});
  return texts;
}

std::string explain(const std::string& path, const SQLite::Exception& fault) {
  switch (fault.getErrorCode()) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return fmt::format("{} is no study, or a damaged one: {}", path, fault.what());
    case SQLITE_FULL:
    case SQLITE_IOERR:
      return fmt::format("cannot write {}, the disk may be full: {}; what was measured before is kept", path,
                         fault.what());
    case SQLITE_BUSY:
      return fmt::format("{} is held by another program: wait until that is done", path);
    case SQLITE_CANTOPEN:
      return fmt::format("cannot open {}: {}", path, fault.what());
    case SQLITE_READONLY:
      return fmt::format("cannot write {}: {}", path, fault.what());
    default:
      return fmt::format("{}: {}", path, fault.what());
  }
}

}  // namespace

template <typename Work>
auto StudyDatabase::guarded(const Work& work) const {
  try {
    return work();
  } catch (const SQLite::Exception& fault) {
    throw Error(explain(path_, fault));
  }
}

StudyDatabase::StudyDatabase(const std::string& path, StudyAccess access) : path_(path) {
  if (std::error_code fault; std::filesystem::is_directory(path, fault)) {
    throw Error(fmt::format("{} is a folder: name a file", path));
  }
  guarded([&] {
    const int flags =
        access == StudyAccess::read ? SQLite::OPEN_READONLY : SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE;
    database_ = std::make_unique<SQLite::Database>(path, flags, kBusyMilliseconds);
    database_->exec("PRAGMA foreign_keys = ON");
    check_is_study();
    if (access == StudyAccess::read) return;
    database_->exec("PRAGMA synchronous = NORMAL");
    SQLite::Statement(*database_, "PRAGMA journal_mode = WAL").executeStep();
  });
}

StudyDatabase::~StudyDatabase() = default;

bool StudyDatabase::has_tables() const {
  return database_->execAndGet("SELECT count(*) FROM sqlite_master").getInt64() > 0;
}

bool StudyDatabase::has_predictions() const { return database_->tableExists("predictions"); }

void StudyDatabase::check_is_study() const {
  if (!has_tables()) return;
  if (database_->execAndGet("PRAGMA application_id").getInt64() != kApplicationId) {
    throw Error(fmt::format("{} is a database of something else, and no study: name another file", path_));
  }
  if (const auto found = database_->execAndGet("PRAGMA quick_check(1)").getString(); found != "ok") {
    throw Error(fmt::format("{} is a damaged study: {}", path_, found));
  }
  const auto version = database_->execAndGet("SELECT schema_version FROM study").getInt64();
  if (version != kSchemaVersion) {
    throw Error(fmt::format("{} is a study of version {}, and this program knows version {}: use a newer fakequant",
                            path_, version, kSchemaVersion));
  }
}

void StudyDatabase::transaction(const std::function<void()>& work) {
  guarded([&] {
    SQLite::Transaction transaction(*database_, SQLite::TransactionBehavior::IMMEDIATE);
    work();
    transaction.commit();
  });
}

std::optional<StudySubject> StudyDatabase::subject() const {
  return guarded([&]() -> std::optional<StudySubject> {
    if (!has_tables()) return std::nullopt;
    SQLite::Statement row(*database_,
                          "SELECT model, model_sha256, model_size, layers, ctx_size, batch_size, version, engine, "
                          "backends FROM study");
    if (!row.executeStep()) throw Error(fmt::format("{} is a damaged study: it does not say of what", path_));
    return StudySubject{row.getColumn(0).getString(),
                        row.getColumn(1).getString(),
                        static_cast<std::uint64_t>(row.getColumn(2).getInt64()),
                        row.getColumn(3).getInt(),
                        row.getColumn(4).getInt(),
                        row.getColumn(5).getInt(),
                        row.getColumn(6).getString(),
                        row.getColumn(7).getString(),
                        row.getColumn(8).getString(),
                        read_texts(*database_)};
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
                      "can be added behind it",
                      known.name, known.sha256.substr(0, 12), given.name, given.sha256.substr(0, 12)));
    }
  }
  if (own->ctx_size != asked.ctx_size) {
    throw refuse(fmt::format("is a study with chunks of {} tokens, and not {}", own->ctx_size, asked.ctx_size));
  }
  if (own->batch_size != asked.batch_size) {
    throw refuse(fmt::format("is a study with batches of {} tokens, and not {}", own->batch_size, asked.batch_size));
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
      database_->exec(kSchema);
      database_->exec(fmt::format("PRAGMA application_id = {}", kApplicationId));
      SQLite::Statement insert(*database_, "INSERT INTO study VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
      insert.bind(1, kSchemaVersion);
      insert.bind(2, asked.model);
      insert.bind(3, asked.model_sha256);
      insert.bind(4, static_cast<std::int64_t>(asked.model_size));
      insert.bind(5, asked.layers);
      insert.bind(6, asked.ctx_size);
      insert.bind(7, asked.batch_size);
      insert.bind(8, asked.version);
      insert.bind(9, asked.engine);
      insert.bind(10, asked.backends);
      insert.exec();
    }
    database_->exec(kSiteSchema);
    database_->exec(kPredictionsSchema);
    for (auto i = known; i < asked.texts.size(); ++i) {
      SQLite::Statement insert(*database_, "INSERT INTO texts VALUES (?, ?, ?)");
      insert.bind(1, static_cast<std::int64_t>(i));
      insert.bind(2, asked.texts[i].name);
      insert.bind(3, asked.texts[i].sha256);
      insert.exec();
    }
  });
}

StudyDatabase::VariantId StudyDatabase::add_variant(const StudyVariant& variant) {
  return guarded([&] {
    SQLite::Statement find(*database_, "SELECT id, files_sha256 FROM variants WHERE recipe = ? AND storage = ?");
    find.bind(1, variant.recipe);
    find.bind(2, variant.storage);
    if (find.executeStep()) {
      if (find.getColumn(1).getString() != variant.files_sha256) {
        throw Error(fmt::format("the file that {} reads is not the one of the study {}: it has changed since",
                                variant.recipe, path_));
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

void StudyDatabase::add_score(VariantId variant, const ChunkPlace& place, const BaselineSums& baseline,
                              const StudyScore& score) {
  guarded([&] {
    const auto refuse = [&](const std::string& whose) {
      return Error(fmt::format(
          "the {} figures for chunk {} of text {} are not those in the study {}: the machine computes otherwise", whose,
          place.chunk, place.text, path_));
    };
    SQLite::Statement known(*database_,
                            "SELECT predictions, nll, nll_squared FROM chunks WHERE text = ? AND chunk = ?");
    known.bind(1, place.text);
    known.bind(2, place.chunk);
    if (known.executeStep()) {
      const auto own = read_baseline(known, 0);
      if (own.count != baseline.count || !is_same(own.nll, baseline.nll)) throw refuse("baseline's");
    } else {
      SQLite::Statement insert(*database_, "INSERT INTO chunks VALUES (?, ?, ?, ?, ?)");
      insert.bind(1, place.text);
      insert.bind(2, place.chunk);
      insert.bind(3, baseline.count);
      insert.bind(4, baseline.nll.sum);
      insert.bind(5, baseline.nll.sum2);
      insert.exec();
    }
    SQLite::Statement scored(
        *database_, fmt::format("SELECT {} FROM scores WHERE variant = ? AND text = ? AND chunk = ?", kScoreColumns));
    scored.bind(1, variant);
    scored.bind(2, place.text);
    scored.bind(3, place.chunk);
    if (scored.executeStep()) {
      if (!is_same(read_score(scored, 0), score)) throw refuse("variant's");
      return;
    }
    SQLite::Statement insert(*database_,
                             fmt::format("INSERT INTO scores (variant, text, chunk, {}) "
                                         "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                                         kScoreColumns));
    insert.bind(1, variant);
    insert.bind(2, place.text);
    insert.bind(3, place.chunk);
    bind_score(insert, 4, score);
    insert.exec();
  });
}

void StudyDatabase::set_start(VariantId variant, const StartingPoint& start) {
  guarded([&] {
    SQLite::Statement update(*database_,
                             "UPDATE variants SET first_layer = ?, why_whole = ? WHERE id = ? AND first_layer IS NULL");
    update.bind(1, start.layer);
    update.bind(2, start.why_whole);
    update.bind(3, variant);
    update.exec();
  });
}

void StudyDatabase::set_sites(VariantId variant, const std::vector<StudySite>& sites) {
  guarded([&] {
    SQLite::Statement insert(*database_, "INSERT OR IGNORE INTO variant_sites VALUES (?, ?, ?, ?, ?)");
    for (const auto& site : sites) {
      insert.bind(1, variant);
      insert.bind(2, site.name);
      insert.bind(3, site.values.rows);
      insert.bind(4, site.values.length);
      insert.bind(5, site.bits);
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
    SQLite::Statement insert(*database_, "INSERT OR REPLACE INTO predictions VALUES (?, ?, ?, ?)");
    insert.bind(1, variant);
    insert.bind(2, prediction.kld);
    insert.bind(3, prediction.low);
    insert.bind(4, prediction.high);
    insert.exec();
  });
}

std::map<StudyDatabase::VariantId, StudyVariant> StudyDatabase::variants() const {
  return guarded([&] {
    std::map<VariantId, StudyVariant> variants;
    if (!has_tables()) return variants;
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
    return variants;
  });
}

std::map<ChunkPlace, StudyScore> StudyDatabase::scores(VariantId variant) const {
  return guarded([&] {
    std::map<ChunkPlace, StudyScore> scores;
    SQLite::Statement rows(*database_,
                           fmt::format("SELECT text, chunk, {} FROM scores WHERE variant = ?", kScoreColumns));
    rows.bind(1, variant);
    while (rows.executeStep()) {
      scores[{rows.getColumn(0).getInt(), rows.getColumn(1).getInt()}] = read_score(rows, 2);
    }
    return scores;
  });
}

std::map<ChunkPlace, BaselineSums> StudyDatabase::baseline() const {
  return guarded([&] {
    std::map<ChunkPlace, BaselineSums> chunks;
    if (!has_tables()) return chunks;
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
    if (!has_predictions()) return predictions;
    SQLite::Statement rows(*database_, "SELECT variant, kld, low, high FROM predictions");
    while (rows.executeStep()) {
      predictions[rows.getColumn(0).getInt64()] = {rows.getColumn(1).getDouble(), rows.getColumn(2).getDouble(),
                                                   rows.getColumn(3).getDouble()};
    }
    return predictions;
  });
}

}  // namespace fakequant
