#include "report/json_file.h"

namespace fakequant {

Json json_file(const std::string& command_name, const std::string& model, const Provenance& provenance) {
  Json json;
  json["schema"] = "fakequant." + command_name + "/1";
  json["model"] = model;
  json["command"] = provenance.command;
  json["version"] = provenance.version;
  json["backends"] = provenance.backends;
  if (!provenance.arithmetic.empty()) json["arithmetic"] = provenance.arithmetic;
  return json;
}

void add_rounding_errors(Json& json, const RoundingErrors& errors) {
  json["elements"] = errors.elements;
  json["changed"] = errors.changed;
  json["saturated"] = errors.saturated;
  json["absmax"] = errors.absmax;
  json["max_abs"] = errors.max_abs;
  json["mean_abs"] = errors.mean_abs();
  json["max_rel"] = errors.max_rel;
  json["rmse"] = errors.rmse();
  json["sqnr_db"] = errors.sqnr_db();
  json["cosine"] = errors.cosine();
  json["flushed"] = errors.flushed;
  json["not_finite"] = errors.not_finite;
}

std::string to_text(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

}  // namespace fakequant
