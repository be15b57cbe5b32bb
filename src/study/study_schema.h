// The tables of a study, version by version.
//
// The schema changes in migration steps, one from each version to the next. A new study is created as version 1 and
// migrated through all steps, so new and old studies have the same tables. All functions throw SQLite::Exception.
#pragma once

namespace SQLite {
class Database;
}

namespace fakequant {

// The version that this program writes. The program reads this version and all earlier ones.
int newest_schema_version();

// The first version that says where variants overflowed.
inline constexpr int kOverflowsSince = 4;

// The version from which on studies say in which arithmetic they were computed.
inline constexpr int kArithmeticSince = 5;

// The version from which on studies say which sweeps ran into them.
inline constexpr int kRunsSince = 6;

bool has_schema(SQLite::Database& database);  // false: the database is empty
bool is_study(SQLite::Database& database);    // by its application id

// The version of a study, from the only row of the table `study`.
int schema_version(SQLite::Database& database);

// Creates the tables of the newest version in an empty database. Call it in a transaction that also inserts the row of
// `study`.
void create_schema(SQLite::Database& database);

// Migrates a study to the newest version, if it is older. Call it in the transaction that first writes to the study.
void migrate(SQLite::Database& database);

}  // namespace fakequant
