// What a number format is: a name, and how a value that lies between two of its codes is rounded.
//
// A Format is a value: it is parsed from the words of a rule ("bf16,round=zero"), compared, printed back, and handed to
// the functions that round.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fakequant {

enum class Rounding {
  nearest,  // to the nearer code; a tie goes to the even one (IEEE 754-2019, 4.3.1 roundTiesToEven)
  zero,     // towards zero: truncation (IEEE 754-2019, 4.3.2 roundTowardZero)
};

struct Format {
  std::string name = "bf16";
  Rounding rounding = Rounding::nearest;

  bool operator==(const Format&) const = default;
};

// One KEY=VALUE that follows a format's name.
struct FormatOption {
  std::string key;
  std::string value;
};

// The names that make_format knows, in the order in which they are worth listing.
std::vector<std::string> format_names();

// Throws a usage error that says what is allowed when the name, a key or a value is not known, or a key comes twice.
Format make_format(std::string_view name, const std::vector<FormatOption>& options);

// Parses "NAME[,KEY=VALUE]...", for instance "bf16,round=zero". Throws as make_format does.
Format parse_format(std::string_view text);

std::string to_string(Rounding rounding);

// The text that parse_format reads back to the same format; options at their default are left out.
std::string to_string(const Format& format);

}  // namespace fakequant
