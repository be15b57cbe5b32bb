// An error followed through the layers: each activation of a variant compared with the baseline's.
import type { Figure, ResultHead } from "./head";

export type Role = "exact" | "entered" | "grown" | "carried" | "died";

export interface Difference {
  elements: number;
  changed: number;
  relative_error: Figure;
  sqnr_db: Figure;
  cosine: Figure;
  max_abs: Figure;
}

export interface DriftNode extends Difference {
  node: string;
  layer: number | null;
  operation: string;
  role: Role;
  format: string | null;
  changed_weights: string[];
  largest_input: string | null;
  input_relative_error: Figure;
  growth: Figure;
}

export type LayerPart = (Difference & { node: string }) | null;

export interface DriftLayer {
  layer: number;
  output: LayerPart;
  attention: LayerPart;
  ffn: LayerPart;
}

export interface DriftResult extends ResultHead {
  schema: "fakequant.drift/1";
  text: string;
  recipe: string;
  against: string | null;
  chunks: number;
  ctx_size: number;
  tokens: number;
  logits: { relative_error?: Figure; sqnr_db?: Figure; kld: { mean: Figure; error: Figure } | null; top1_agreement: Figure };
  layers: DriftLayer[];
  nodes: DriftNode[];
}
