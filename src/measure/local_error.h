// What rounding a value does where it happens, before the rest of the model makes anything of it.
//
// A row of an activation (one token's values, in most) is rounded on a copy while the untouched model reads a text, and
// the error told as a part of the row itself: e = sum w (r - x)^2 / sum w x^2. The weight w of a column says how much
// of it the products that read the row take up: the energy of that column in their matrices. The mean of e over the
// rows is the local error. Rows count alike, whatever their size: most models have tokens with values a thousand times
// as large as the others', which norms make ordinary again.
//
// Where a kernel rounds what it reads (an F16 weight's product its input to F16), x and r are rounded so first: an
// error that vanishes there is none.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/context.h"

namespace fakequant {

struct LocalError {
  std::int64_t rows = 0;
  double error = 0;  // mean of e
  double shift =
      0;  // mean of sum w x (r - x) / sum w x^2: by how much the rows became longer, or shorter, all together

  void add(const LocalError& other);  // of other rows

  // The energy by which it tells in the output. What happens to all values alike, as truncation or a scale that cuts
  // off the largest does, goes further than chance, which the products average out (docs/prediction.md).
  double energy() const { return error + kShiftCounts * shift * shift; }
  static constexpr double kShiftCounts = 20;
};

// Of rows of `columns`; `weights`: of the columns, or nothing where all count alike. Rows of zeros are left out, and
// where the rounding made values that are not finite the error is that of losing them all, 1.
LocalError local_error(std::span<const float> before, std::span<const float> after, std::int64_t columns,
                       std::span<const double> weights);

// How much each column of the values takes up of its row's energy, on average: adds to `shares`, and counts rows.
struct ColumnShares {
  std::int64_t rows = 0;
  std::vector<double> sums;

  void add(std::span<const float> values, std::int64_t columns);
};

// The weights of a site's columns; nothing where all count alike.
using WeighColumns = std::function<std::vector<double>(const ActivationSite& site)>;

// What rounding copies of what the rules name does to them, while a context that rounds nothing reads texts.
class LocalErrorMeter {
 public:
  // From here on, and as long as this lives, `context` shows it what it computes. `is_fed`: of which sites the columns'
  // shares are wanted.
  LocalErrorMeter(Context& context, const Recipe& rules, WeighColumns weigh,
                  std::function<bool(const ActivationSite&)> is_wanted);
  LocalErrorMeter(const LocalErrorMeter&) = delete;
  LocalErrorMeter& operator=(const LocalErrorMeter&) = delete;
  ~LocalErrorMeter();

  // Of each rule, over all sites that it names.
  const std::vector<LocalError>& of_rules() const { return errors_; }

  // By the site's name.
  const std::map<std::string, ColumnShares>& shares() const { return shares_; }

 private:
  struct Reading {
    std::vector<double> weights;
    std::optional<Format> kernel;  // to which readers round
  };
  const Reading& reading_of(const ActivationSite& site);
  void look(std::size_t rule, const ActivationSite& site, std::span<const float> before, std::span<const float> after,
            std::int64_t columns);

  Context& context_;
  WeighColumns weigh_;
  std::vector<LocalError> errors_;
  std::map<std::string, Reading> readings_;  // by the site's name
  std::map<std::string, ColumnShares> shares_;
  std::vector<float> before_, after_;
};

}  // namespace fakequant
