// Perplexity and divergence of variants against one baseline.
import type { Figure, ResultHead } from "./head";
import type { Distribution, Quantile, Scores } from "./scores";

export interface WorstToken {
  text: string;
  chunk: number;
  position: number;
  context: string;
  token: string;
  kld: Figure;
  p_baseline: Figure;
  p_variant: Figure;
  top_baseline: string;
  top_variant: string;
}

export interface EvalVariant extends Scores {
  name: string;
  recipe: string;
  model: string | null;
  yardstick?: boolean; // a common quantization, measured for comparison
  kld: Distribution & Record<Quantile, Figure>;
  chunks: { text: string; chunk: number; ppl: Figure; baseline_ppl: Figure; kld: Figure; top1_agreement: Figure }[];
  worst_tokens: WorstToken[];
}

export interface RoundedSite {
  variant: string;
  site: string;
  layer: number | null;
  format: string;
  rows: number;
  columns: number | null;
  elements: number;
  changed: number;
  saturated: number;
  max_abs: Figure;
  mean_abs: Figure;
  sqnr_db: Figure;
  kernels_round_to: string[];
}

export interface EvalResult extends ResultHead {
  schema: "fakequant.eval/1";
  interrupted: boolean;
  tokens_scored: number;
  chunks: number;
  ctx_size: number;
  baseline: { ppl: Figure; ppl_error: Figure };
  variants: EvalVariant[];
  texts: { text: string; chunks: number; tokens_scored: number }[];
  sites: RoundedSite[];
}
