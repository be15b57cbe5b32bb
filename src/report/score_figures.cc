#include "report/score_figures.h"

#include <fmt/format.h>

#include "report/numbers.h"

namespace fakequant {
namespace {

struct QuantileField {
  const char* name;
  double Quantiles::*value;
};
constexpr QuantileField kQuantileFields[] = {
    {"min", &Quantiles::min}, {"p01", &Quantiles::p01}, {"p1", &Quantiles::p1},         {"p5", &Quantiles::p5},
    {"p10", &Quantiles::p10}, {"p25", &Quantiles::p25}, {"median", &Quantiles::median}, {"p75", &Quantiles::p75},
    {"p90", &Quantiles::p90}, {"p95", &Quantiles::p95}, {"p99", &Quantiles::p99},       {"p999", &Quantiles::p999},
    {"max", &Quantiles::max}};

enum class QuantilesKnown { all, summed };

// The fields of one quantity. A figure with quantiles is an object with its mean; one called a.b is in the object a.
void add_figure(Json& json, const ScoreQuantity& quantity, const DivergenceFigures* figures, QuantilesKnown known) {
  const auto number = [&](double value) { return figures != nullptr ? Json(value) : Json(nullptr); };
  const DivergenceFigures nothing;
  const auto& from = figures != nullptr ? *figures : nothing;
  const auto dot = quantity.name.find('.');
  const std::string name(quantity.name.substr(dot == std::string_view::npos ? 0 : dot + 1));
  Json& object = dot == std::string_view::npos ? json : json[std::string(quantity.name.substr(0, dot))];
  if (quantity.number != nullptr) {
    object[name] = number(from.*quantity.number);
    return;
  }
  const auto& estimate = from.*quantity.estimate;
  if (quantity.quantiles == nullptr) {
    object[name] = number(estimate.value);
    object[name + "_error"] = number(estimate.error);
    return;
  }
  auto& fields = object[name];
  fields["mean"] = number(estimate.value);
  fields["error"] = number(estimate.error);
  const auto& at = from.*quantity.quantiles;
  if (known == QuantilesKnown::all) {
    for (const auto& field : kQuantileFields) fields[field.name] = number(at.*field.value);
  } else if (quantity.max != nullptr) {
    fields["max"] = number(at.max);
  }
}

void add_all(Json& json, const DivergenceFigures* figures, QuantilesKnown known) {
  for (const auto& quantity : kScoreQuantities) {
    if (quantity.is_shown()) add_figure(json, quantity, figures, known);
  }
}

const char* word_of(FigureForm form) {
  switch (form) {
    case FigureForm::number:
      return "number";
    case FigureForm::ratio:
      return "ratio";
    case FigureForm::percent:
      return "percent";
    case FigureForm::signed_percent:
      return "signed_percent";
  }
  return "";
}

}  // namespace

void add_figures(Json& json, const DivergenceFigures* figures) { add_all(json, figures, QuantilesKnown::all); }

void add_figures_of_sums(Json& json, const DivergenceFigures* figures) {
  add_all(json, figures, QuantilesKnown::summed);
}

Json compared_values_json(const DivergenceFigures& figures) {
  Json json;
  for (const auto* quantity : compared_quantities()) {
    json[std::string(quantity->name)] = (figures.*quantity->estimate).value;
  }
  return json;
}

std::vector<std::string> figure_fields() {
  std::vector<std::string> distributions, others;
  for (const auto& quantity : kScoreQuantities) {
    if (!quantity.is_shown()) continue;
    if (quantity.quantiles == nullptr) {
      others.emplace_back(quantity.name);
      continue;
    }
    for (const auto* field : {"mean", "median", "p99", "max"}) {
      distributions.push_back(fmt::format("{}.{}", quantity.name, field));
    }
  }
  distributions.insert(distributions.end(), others.begin(), others.end());
  return distributions;
}

Json quantities_json() {
  auto json = Json::array();
  for (const auto& quantity : kScoreQuantities) {
    if (!quantity.is_shown()) continue;
    json.push_back({{"name", quantity.name},
                    {"title", quantity.title},
                    {"unit", quantity.unit},
                    {"form", word_of(quantity.form)},
                    {"compared", quantity.is_compared}});
  }
  return json;
}

std::vector<const ScoreQuantity*> compared_quantities() {
  std::vector<const ScoreQuantity*> compared;
  for (const auto& quantity : kScoreQuantities) {
    if (quantity.is_compared) compared.push_back(&quantity);
  }
  return compared;
}

bool is_divergence(const ScoreQuantity& quantity) { return quantity.is_compared && quantity.quantiles != nullptr; }

std::string title_text(const ScoreQuantity& quantity) {
  return quantity.unit.empty() ? std::string(quantity.title) : fmt::format("{}, {}", quantity.title, quantity.unit);
}

std::string figure_text(const ScoreQuantity& quantity, const DivergenceFigures& figures) {
  if (quantity.estimate == nullptr) return value_text(quantity, figures.*quantity.number);
  const auto& estimate = figures.*quantity.estimate;
  switch (quantity.form) {
    case FigureForm::number:
    case FigureForm::ratio:
      return estimate_text(estimate);
    case FigureForm::percent:
    case FigureForm::signed_percent:
      return value_text(quantity, estimate.value);
  }
  return {};
}

std::string value_text(const ScoreQuantity& quantity, double value) {
  switch (quantity.form) {
    case FigureForm::number:
      return value_text(value);
    case FigureForm::ratio:
      return fmt::format("{:.6f}", value);
    case FigureForm::percent:
      return percent_text(value);
    case FigureForm::signed_percent:
      return fmt::format("{:+.3g} %", 100 * value);
  }
  return {};
}

}  // namespace fakequant
