// A study: the scores of each site in each format and layer.
import type { Figure, ResultHead } from "./head";
import type { Scores } from "./scores";

export interface SweepVariant extends Scores {
  recipe: string;
  site: string;
  layer: number | null; // null: all layers that the site names
  format: string;
  storage: string | null;
  chunks: number;
  bits?: number | null; // of a value in the format
  predicted?: { kld: number; low: number; high: number } | null;
  overflow?: { text: string; chunk: number; token: number; site: string | null } | null; // then it has no figures
  first_layer: number | null;
  why_whole: string | null;
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
