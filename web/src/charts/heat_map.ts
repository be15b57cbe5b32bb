// The sensitivity of the layers of a site to the formats: a cell for each, coloured by the logarithm of its divergence.
import * as Plot from "@observablehq/plot";
import { heatFill, heatInk, heatStep, kHeatSteps } from "../colours";
import { element } from "../element";
import { estimateText, changeText, percentText, plural, valueText } from "../numbers";
import type { LogRange } from "../log_axis";
import type { Measured, Site } from "../study";
import { kFrame, kTip, widest } from "./frame";

const kRow = 24; // pixels
const kMinColumn = 62;
const kMaxColumn = 108;

export function variantInWords(variant: Measured): string {
  return [
    `${variant.site}${variant.layer === null ? "" : `, layer ${variant.layer}`}, ${variant.name}`,
    `KL divergence ${estimateText(variant.mean, variant.kld.error)} nats${variant.isPredicted ? ", predicted" : ""}`,
    ...(variant.isPredicted ? [] : [
      `perplexity ${changeText(variant.ppl_ratio)}`,
      `same top token ${percentText(variant.top1_agreement)}`,
      `over ${plural(variant.chunks, "chunk")}${variant.isShort ? ", fewer than others" : ""}`,
    ]),
  ].join("\n");
}

export function heatMap(site: Site, formats: string[], range: LogRange | null): Element {
  const cells = site.byLayer;
  const names = formats.filter((name) => cells.some((cell) => cell.name === name));
  const layers = [...new Set(cells.map((cell) => cell.layer))].sort((a, b) => a - b);
  const turned = widest(names) > kMaxColumn;
  const column = turned ? kMinColumn : Math.max(kMinColumn, widest(names) + 10);
  const marginTop = turned ? 24 + widest(names) * 0.6 : 24;
  const step = (cell: Measured): number | null =>
    cell.mean > 0 && range ? heatStep(cell.mean, range.low, range.high) : null;
  return Plot.plot({
    ...kFrame,
    width: 52 + column * names.length + (turned ? 60 : 0),
    height: marginTop + kRow * layers.length + 4,
    marginLeft: 48,
    marginRight: turned ? 64 : 4,
    marginTop,
    marginBottom: 4,
    x: { domain: names, axis: "top", label: null, tickSize: 0, padding: 0.04, tickRotate: turned ? -30 : 0 },
    y: { domain: layers, label: null, tickSize: 0, padding: 0.06 },
    marks: [
      Plot.text(["layer"], { frameAnchor: "top-left", textAnchor: "end", lineAnchor: "bottom", dx: -9, dy: -6, fill: "var(--soft)" }),
      Plot.cell(cells, {
        x: "name",
        y: "layer",
        fill: (cell: Measured) => (step(cell) === null ? "var(--heat-none)" : heatFill(step(cell) ?? 0)),
        rx: 3,
      }),
      Plot.text(cells, {
        x: "name",
        y: "layer",
        text: (cell: Measured) => `${cell.isPredicted ? "~" : ""}${valueText(cell.mean, 2)}${cell.isShort ? "*" : ""}`,
        fill: (cell: Measured) => (step(cell) === null ? "var(--soft)" : heatInk(step(cell) ?? 0)),
      }),
      Plot.tip(cells, Plot.pointer({ ...kTip, x: "name", y: "layer", title: variantInWords })),
    ],
  });
}

// The colour scale, over the values of all maps of the study.
export function heatLegend(range: LogRange | null): HTMLElement {
  const scale = element("span", { class: "heat-scale" });
  for (let step = 0; step < kHeatSteps; ++step) scale.append(element("i", { style: `background:${heatFill(step)}` }));
  return element(
    "div",
    { class: "legend" },
    ...(range ? [element("span", {}, valueText(range.low, 2), scale, `${valueText(range.high, 2)} nats, logarithmic`)] : []),
    element("span", {}, element("i", { class: "none" }), "0: the format changes nothing here"),
  );
}
