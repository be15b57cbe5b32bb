// The tables of a study, version by version.
//
// Version 1 is what the first program made. Each later version is a step from the one before it. A new study is made as
// version 1 and taken through all steps, so that new and old studies have the same tables. All functions throw
// SQLite::Exception.
#pragma once

namespace SQLite {
class Database;
}

namespace fakequant {

// The version that this program writes. It reads all versions up to it.
int newest_schema_version();

// The first version that says where variants overflowed.
inline constexpr int kOverflowsSince = 4;

bool has_schema(SQLite::Database& database);  // false: the database is empty
bool is_study(SQLite::Database& database);    // by its application id

// The version of a study, which is in its only row of `study`.
int schema_version(SQLite::Database& database);

// Makes the tables of the newest version in an empty database. To be called in a transaction that also inserts the row
// of `study`.
void create_schema(SQLite::Database& database);

// Takes a study to the newest version, where it is not. To be called in the transaction that first writes to it.
void migrate(SQLite::Database& database);

}  // namespace fakequant
