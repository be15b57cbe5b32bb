#include "plan/plan.h"

#include "plan/planner.h"

namespace fakequant {

PlanResult make_plan(const StudyDatabase& study, const PlanRequest& request) {
  Planner planner(study, request);
  planner.choose();
  return planner.result();
}

}  // namespace fakequant
