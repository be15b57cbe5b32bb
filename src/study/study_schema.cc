#include "study/study_schema.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string>

#include "study/score_columns.h"

namespace fakequant {
namespace {

constexpr int kApplicationId = 0x66716e74;  // "fqnt": identifies a study to this program and to file(1)

constexpr auto kFirstTables = R"sql(
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
  {},
  PRIMARY KEY (variant, text, chunk),
  FOREIGN KEY (text, chunk) REFERENCES chunks (text, chunk)
) WITHOUT ROWID;
)sql";

// Studies of version 1 may have these tables: they arrived before versions were counted.
constexpr auto kSitesAndPredictions = R"sql(
CREATE TABLE IF NOT EXISTS variant_sites (
  variant INTEGER NOT NULL REFERENCES variants (id),
  name TEXT NOT NULL,
  rows INTEGER NOT NULL,
  row_length INTEGER NOT NULL,
  bits INTEGER NOT NULL,
  PRIMARY KEY (variant, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS predictions (
  variant INTEGER PRIMARY KEY REFERENCES variants (id),
  kld REAL NOT NULL,
  low REAL NOT NULL,
  high REAL NOT NULL
);
)sql";

constexpr auto kFiguresView = R"sql(
DROP VIEW IF EXISTS figures;
CREATE VIEW figures AS
  SELECT recipe, site, layer, format, storage, count(*) AS chunks, sum(predictions) AS predictions,
         {},
         sum(nll_change) / sum(predictions) AS log_ppl_ratio,
         1.0 * sum(same_top) / sum(predictions) AS top1_agreement, first_layer, why_whole
  FROM variants JOIN scores ON scores.variant = variants.id GROUP BY variants.id;
)sql";

// Where a variant overflowed; NULL if it did not.
constexpr auto kOverflows = R"sql(
ALTER TABLE variants ADD COLUMN overflow_text INTEGER;
ALTER TABLE variants ADD COLUMN overflow_chunk INTEGER;
ALTER TABLE variants ADD COLUMN overflow_token INTEGER;
ALTER TABLE variants ADD COLUMN overflow_site TEXT;
)sql";

// Studies before this one were computed by llama.cpp's kernels.
constexpr auto kArithmetic = "ALTER TABLE study ADD COLUMN arithmetic TEXT NOT NULL DEFAULT 'native';";

constexpr auto kRuns = R"sql(
CREATE TABLE runs (
  id INTEGER PRIMARY KEY,
  shard INTEGER NOT NULL,
  shards INTEGER NOT NULL,
  host TEXT NOT NULL,
  began REAL NOT NULL,
  updated REAL NOT NULL,
  passes REAL NOT NULL,
  done REAL NOT NULL,
  state TEXT NOT NULL
);
)sql";

// The SQL of a migration step to a version, besides adding the columns of score quantities. Add new steps at the end.
struct SchemaStep {
  int version;
  const char* sql;
};
constexpr std::array kSteps = {SchemaStep{2, kSitesAndPredictions}, SchemaStep{kOverflowsSince, kOverflows},
                               SchemaStep{kArithmeticSince, kArithmetic}, SchemaStep{kRunsSince, kRuns}};

// The means and maxima of the quantities that compare variants; NULL if a chunk lacks the quantity.
std::string divergence_columns() {
  std::vector<std::string> columns;
  for (const auto& quantity : kScoreQuantities) {
    if (!quantity.is_compared || quantity.moments == nullptr) continue;
    columns.push_back(
        fmt::format("CASE WHEN count({0}) = count(*) THEN sum({0}) / sum(predictions) END AS {0}", quantity.name));
    columns.push_back(fmt::format(
        "CASE WHEN count({0}) = count(*) THEN sqrt(max(0, sum({0}_squared) / sum(predictions) - pow(sum({0}) / "
        "sum(predictions), 2)) / (sum(predictions) - 1)) END AS {0}_error",
        quantity.name));
    if (quantity.max == nullptr) continue;
    columns.push_back(
        fmt::format("CASE WHEN count({0}_max) = count(*) THEN max({0}_max) END AS {0}_max", quantity.name));
  }
  return fmt::format("{}", fmt::join(columns, ",\n         "));
}

void take_step(SQLite::Database& database, int version) {
  for (const auto& step : kSteps) {
    if (step.version == version) database.exec(step.sql);
  }
  for (const auto& column : score_column_definitions(version)) {
    database.exec(fmt::format("ALTER TABLE scores ADD COLUMN {}", column));
  }
}

// Takes the tables from one version to the newest.
void take_steps(SQLite::Database& database, int version) {
  while (version < newest_schema_version()) take_step(database, ++version);
  database.exec(fmt::format(kFiguresView, divergence_columns()));
}

}  // namespace

int newest_schema_version() {
  int newest = 1;
  for (const auto& step : kSteps) newest = std::max(newest, step.version);
  for (const auto& quantity : kScoreQuantities) newest = std::max(newest, quantity.since);
  return newest;
}

bool has_schema(SQLite::Database& database) {
  return database.execAndGet("SELECT count(*) FROM sqlite_master").getInt64() > 0;
}

bool is_study(SQLite::Database& database) {
  return database.execAndGet("PRAGMA application_id").getInt64() == kApplicationId;
}

int schema_version(SQLite::Database& database) {
  return database.execAndGet("SELECT schema_version FROM study").getInt();
}

void create_schema(SQLite::Database& database) {
  database.exec(fmt::format("PRAGMA application_id = {}", kApplicationId));
  database.exec(fmt::format(kFirstTables, fmt::join(score_column_definitions(1), ",\n  ")));
  take_steps(database, 1);
}

void migrate(SQLite::Database& database) {
  const int version = schema_version(database);
  if (version >= newest_schema_version()) return;
  take_steps(database, version);
  database.exec(fmt::format("UPDATE study SET schema_version = {}", newest_schema_version()));
}

}  // namespace fakequant
