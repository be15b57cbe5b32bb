// What precision the weights have, and what a rounding changed in them.
import type { CompareResult, ComparedTensor } from "../data/compare";
import type { CensusTensor, InspectResult } from "../data/inspect";
import { resultsOf, type PageData } from "../data/page";
import { code, element, paragraph, type Child } from "../element";
import { bytesText, countText, percentText, plural, valueText, fileName } from "../numbers";
import { table } from "../table";
import { origin, type Section } from "./section";

function census(file: string, result: InspectResult, count: number): Child[] {
  const types = Object.entries(result.types).map(([type, many]) => `${many} ${type}`).join(", ");
  return [
    origin(count, file, fileName(result.model)),
    paragraph(`${result.architecture}, ${plural(result.layers, "layer")}, ${bytesText(result.file_size)}: `,
      `${plural(result.tensors.length, "tensor")} (${types}). A tensor whose values can all be represented in a smaller format loses nothing in it.`),
    table("Tensors of the file", [
      { title: "tensor", value: (t: CensusTensor) => t.name, code: true },
      { title: "type", value: (t) => t.type },
      { title: "shape", value: (t) => t.shape.join("×") },
      { title: "values", value: (t) => t.elements, text: (t) => countText(t.elements) },
      { title: "mantissa bits used", value: (t) => t.mantissa_bits },
      { title: "fits exactly", value: (t) => t.lossless_in.join(" ") },
      { title: "absmax", value: (t) => t.absmax, text: (t) => valueText(t.absmax) },
      { title: "std", value: (t) => t.std, text: (t) => valueText(t.std) },
      { title: "kurtosis", value: (t) => t.kurtosis, text: (t) => valueText(t.kurtosis) },
    ], result.tensors, 8),
  ];
}

function comparison(file: string, result: CompareResult, count: number): Child[] {
  const changed = result.tensors.filter((tensor) => tensor.changed > 0);
  const share = (t: ComparedTensor): number | null => (t.elements > 0 ? t.changed / t.elements : null);
  return [
    element("h3", {}, "What changed in them"),
    origin(count, file, fileName(result.model)),
    paragraph("Compared with ", code(result.other), `: ${plural(changed.length, "tensor")} changed, `,
      `${countText(result.tensors_identical)} have the same bytes as before.`),
    changed.length === 0 ? null : table("Tensors that changed", [
      { title: "tensor", value: (t: ComparedTensor) => t.name, code: true },
      { title: "values", value: (t) => t.elements, text: (t) => countText(t.elements) },
      { title: "changed", value: share, text: (t) => percentText(share(t)) },
      { title: "max abs", value: (t) => t.max_abs, text: (t) => valueText(t.max_abs) },
      { title: "mean abs", value: (t) => t.mean_abs, text: (t) => valueText(t.mean_abs) },
      { title: "max relative", value: (t) => t.max_rel, text: (t) => percentText(t.max_rel) },
      { title: "SQNR, dB", value: (t) => t.sqnr_db, text: (t) => valueText(t.sqnr_db) },
    ], changed, 8),
  ];
}

export function weights(page: PageData): Section | null {
  const inspections = resultsOf(page, "fakequant.inspect/1");
  const comparisons = resultsOf(page, "fakequant.compare/1");
  if (inspections.length + comparisons.length === 0) return null;
  return {
    id: "weights",
    title: "The weights",
    content: [
      ...inspections.flatMap(({ file, result }) => census(file, result, inspections.length)),
      ...comparisons.flatMap(({ file, result }) => comparison(file, result, comparisons.length)),
    ],
  };
}
