// The fields of a request's JSON, checked as they are read. All functions throw a Refusal that names the field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "report/json_file.h"
#include "serve/refusal.h"

namespace fakequant {

// The JSON of a request's body, an object.
Json parse_body(std::string_view body);

// A field that is there and not null; a null pointer for one that is not.
const Json* find_field(const Json& body, const char* name);

// For a field that is not `what`, "a list of tokens".
Refusal not_a(const char* name, const std::string& what);

bool flag_field(const Json& body, const char* name, bool otherwise);
double number_field(const Json& body, const char* name, double otherwise, double min, double max);

// A whole number. Clients may write it as 16.0.
std::optional<std::int64_t> integer_in(const Json& value);
std::optional<std::int64_t> integer_field(const Json& body, const char* name, std::int64_t min, std::int64_t max);

// Empty where there is none.
std::string text_field(const Json& body, const char* name);

// Refuses what the tokenizer would cut off.
void check_text(const std::string& text);

}  // namespace fakequant
