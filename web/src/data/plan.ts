// The best mixes of formats: for each number of bits, the smallest predicted divergence.
import type { Figure, ResultHead } from "./head";

export interface ParetoPoint {
  bits: Figure;
  kld: Figure; // predicted
  name?: string;
  measured_kld?: Figure;
}

export interface PlanResult extends ResultHead {
  schema: "fakequant.plan/1";
  pareto: ParetoPoint[];
}
