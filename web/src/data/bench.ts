// The cost of rounding in speed. A ratio is the variant's time divided by the baseline's: above 1 is slower.
import type { Figure, ResultHead } from "./head";

export interface Speed {
  tps: Figure;
  ratio: Figure;
  ratio_low: Figure;
  ratio_high: Figure;
}

export interface BenchVariant {
  name: string;
  recipe: string;
  prompt: Speed;
  decode: Speed;
}

export interface BenchResult extends ResultHead {
  schema: "fakequant.bench/1";
  threads: number;
  prompt_tokens: number;
  decode_tokens: number;
  repetitions: number;
  baseline: { prompt_tps: Figure; decode_tps: Figure };
  variants: BenchVariant[];
}
