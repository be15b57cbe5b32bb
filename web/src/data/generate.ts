// The answers of models to the same prompts with the same seed.
import type { Figure, ResultHead } from "./head";

export interface Parting {
  position: number;
  baseline_token: { id: number; text: string };
  variant_token: { id: number; text: string };
  baseline: { p_baseline_token: Figure; p_variant_token: Figure };
  variant: { p_baseline_token: Figure; p_variant_token: Figure };
}

export interface WrittenVariant {
  name: string;
  recipe: string;
  text: string;
  tokens: number;
  identical: boolean;
  first_difference: number | null;
  at_first_difference: Parting | null;
  tokens_alike: number;
  forced_agreement: Figure;
}

export interface Prompt {
  prompt: string;
  baseline: string;
  tokens: number;
  forced_places: number;
  variants: WrittenVariant[];
}

export interface GenerateResult extends ResultHead {
  schema: "fakequant.generate/1";
  temperature: number;
  seed: number;
  prompts: Prompt[];
}
