// A study: what each site loses in each format and layer.
import type { Figure, ResultHead } from "./head";

export interface SweepVariant {
  recipe: string;
  site: string;
  layer: number | null; // null: all that the site names
  format: string;
  storage: string | null;
  chunks: number;
  first_layer: number | null;
  why_whole: string | null;
  ppl: Figure;
  ppl_ratio: Figure;
  ppl_ratio_error: Figure;
  kld: { mean: Figure; error: Figure; max: Figure };
  top1_agreement: Figure;
}

export interface SweepResult extends ResultHead {
  schema: "fakequant.sweep/1";
  study: string;
  texts: { text: string; chunks: number }[];
  layers: number;
  ctx_size: number;
  baseline: { ppl: Figure; ppl_error: Figure };
  variants: SweepVariant[];
  notes: string[];
}
