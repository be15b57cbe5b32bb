// The scores of a variant against the baseline, and the quantities that they consist of.
import type { Figure } from "./head";

export type Quantile = "min" | "p1" | "p5" | "p10" | "median" | "p90" | "p95" | "p99" | "p999" | "max";

// A quantity over predictions. Results of sweeps have only the maximum of its quantiles.
export type Distribution = { mean: Figure; error: Figure } & Partial<Record<Quantile, Figure>>;

// The scores that charts and sentences name. Results hold all quantities of the page's list: valueOf() reads those.
export interface Scores {
  ppl: Figure;
  ppl_error: Figure;
  ppl_ratio: Figure;
  ppl_ratio_error: Figure;
  kld: Distribution;
  top1_agreement: Figure;
}

// A row of the program's table of score quantities. `name` is that of a field of Scores.
export interface Quantity {
  name: string;
  title: string;
  unit: string; // "nats", or empty
  form: "number" | "ratio" | "percent" | "signed_percent";
  compared: boolean; // a column wherever variants are compared
}

// The value of a quantity and its standard error. Results of older programs may lack it.
export function valueOf(scores: Scores, quantity: Quantity): { value: Figure; error: Figure } {
  const fields = scores as unknown as Record<string, Figure | Distribution | undefined>;
  const field = fields[quantity.name] ?? null;
  if (field !== null && typeof field === "object") return { value: field.mean, error: field.error };
  const error = fields[`${quantity.name}_error`];
  return { value: field, error: typeof error === "number" ? error : null };
}
