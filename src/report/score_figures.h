// The figures of the table of score quantities (measure/score_quantities.h), as JSON and as cells of tables.
#pragma once

#include <string>
#include <vector>

#include "measure/score_quantities.h"
#include "report/json_file.h"

namespace fakequant {

// Adds the fields of all figures. `figures` is null where nothing was measured: the fields are null then.
void add_figures(Json& json, const DivergenceFigures* figures);

// The same for figures that come from sums alone: of the quantiles, only the maxima that were summed.
void add_figures_of_sums(Json& json, const DivergenceFigures* figures);

// An object of the values of all compared quantities, without errors.
Json compared_values_json(const DivergenceFigures& figures);

// The fields that a condition may name: "kld.mean" first.
std::vector<std::string> figure_fields();

// The quantities as the page reads them: a list of name, title, unit, form and whether variants are compared by it.
Json quantities_json();

// The quantities that tables compare variants by, in their order.
std::vector<const ScoreQuantity*> compared_quantities();

bool is_divergence(const ScoreQuantity& quantity);  // compared, and with quantiles over predictions

std::string title_text(const ScoreQuantity& quantity);  // "KL divergence, nats"

// A cell: the estimate with its error, "1.20e-05 ± 1.0e-06", or a percentage without it.
std::string figure_text(const ScoreQuantity& quantity, const DivergenceFigures& figures);

// A cell without an error.
std::string value_text(const ScoreQuantity& quantity, double value);

}  // namespace fakequant
