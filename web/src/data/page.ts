// The data that fakequant writes into the page: the JSON results of its commands, distinguished by their schema.
import type { BenchResult } from "./bench";
import type { CompareResult } from "./compare";
import type { DriftResult } from "./drift";
import type { EvalResult } from "./eval";
import type { GenerateResult } from "./generate";
import type { EnvironmentResult, InspectResult } from "./inspect";
import type { PlanResult } from "./plan";
import type { Quantity } from "./scores";
import type { SweepResult } from "./sweep";

export type Result =
  | BenchResult
  | CompareResult
  | DriftResult
  | EnvironmentResult
  | EvalResult
  | GenerateResult
  | InspectResult
  | PlanResult
  | SweepResult;

export interface PageData {
  schema: "fakequant.page/1";
  source: string; // the study or folder that the page was made from
  command: string;
  version: string;
  quantities: Quantity[]; // of all scores, in the order of their columns
  results: { file: string; result: Result }[];
  left_out: { file: string; why: string }[];
}

// A result, and the file that it came from.
export interface From<R> {
  file: string;
  result: R;
}

// The results of one schema, in the files' order.
export function resultsOf<S extends Result["schema"]>(page: PageData, schema: S): From<Extract<Result, { schema: S }>>[] {
  const found: From<Extract<Result, { schema: S }>>[] = [];
  for (const { file, result } of page.results) {
    if (result.schema === schema) found.push({ file, result: result as Extract<Result, { schema: S }> });
  }
  return found;
}
