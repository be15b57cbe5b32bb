// Two models, tensor by tensor.
import type { Figure, ResultHead } from "./head";

export interface ComparedTensor {
  name: string;
  type_a: string;
  type_b: string;
  elements: number;
  changed: number;
  max_abs: Figure;
  mean_abs: Figure;
  max_rel: Figure;
  sqnr_db: Figure;
}

export interface CompareResult extends ResultHead {
  schema: "fakequant.compare/1";
  other: string;
  identical: boolean;
  tensors_identical: number;
  tensors: ComparedTensor[];
}
