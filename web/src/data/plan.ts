// The best mixes of formats: for each number of bits, the smallest predicted divergence.
import type { Figure, ResultHead } from "./head";

export interface ParetoPoint {
  bits: Figure;
  kld: Figure; // predicted
  name?: string;
  measured_kld?: Figure;
}

export interface PlanAssignment {
  site: string;
  layer: number | null;
  format: string | null; // null: as it is
  bits: Figure;
  kld: Figure; // of this part alone
}

// A mix of llama-quantize's, such as q4_k_m.
export interface PlainMix {
  name: string;
  file_size: number;
  bits: Figure; // of the planned weights
  kld: Figure; // predicted
}

export interface PlanResult extends ResultHead {
  schema: "fakequant.plan/1";
  pareto: ParetoPoint[];
  chosen?: { bits: Figure; kld: Figure; file_size?: number | null; assignments?: PlanAssignment[] } | null;
  plain_mixes?: PlainMix[];
}
