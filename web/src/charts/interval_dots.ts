// Values with their 95 % intervals, a row for each.
import * as Plot from "@observablehq/plot";
import { logTicks, logTickText, type LogRange } from "../log_axis";
import { kFrame, kGrid, kTip, widest } from "./frame";

export interface Dot {
  row: string;
  value: number;
  low: number;
  high: number;
  text: string; // next to the point
  words: string; // in the tooltip
  colour: string;
}

export interface DotOptions {
  label: string;
  log?: LogRange | null; // a logarithmic axis over this range
  middle?: number; // a line there, for no effect
  tickFormat?: (value: number) => string;
  width?: number;
}

export function intervalDots(dots: Dot[], options: DotOptions): Element {
  const rows = dots.map((dot) => dot.row);
  const log = options.log ?? null;
  const shown = log ? dots.filter((dot) => dot.value > 0) : dots;
  const nothing = log ? dots.filter((dot) => !(dot.value > 0)) : [];
  const inside = (value: number): number => (log ? Math.min(log.high, Math.max(log.low, value)) : value);
  return Plot.plot({
    ...kFrame,
    width: options.width ?? 500,
    height: 62 + 34 * rows.length,
    marginLeft: 16 + widest(rows),
    marginRight: 24,
    marginTop: 10,
    marginBottom: 46,
    x: log
      ? { type: "log", domain: [log.low, log.high], label: null }
      : { label: options.label, labelAnchor: "center", labelArrow: "none", nice: true, ticks: 4, inset: 20, labelOffset: 38,
          ...(options.tickFormat ? { tickFormat: options.tickFormat } : {}) },
    y: { domain: rows, label: null, tickSize: 0 },
    marks: [
      ...(log
        ? [
            Plot.gridX(logTicks(log), kGrid),
            Plot.axisX(logTicks(log), { text: logTickText, label: options.label, labelAnchor: "center", labelArrow: "none", labelOffset: 38 }),
          ]
        : [Plot.gridX({ ...kGrid, ticks: 4 })]),
      ...(options.middle === undefined ? [] : [Plot.ruleX([options.middle], { stroke: "var(--soft)", strokeDasharray: "3 3" })]),
      Plot.ruleY(shown, {
        y: "row",
        x1: (dot: Dot) => inside(dot.low),
        x2: (dot: Dot) => inside(dot.high),
        stroke: "colour",
        strokeWidth: 5,
        strokeOpacity: 0.35,
        strokeLinecap: "round",
      }),
      Plot.dot(shown, { x: "value", y: "row", r: 4.5, fill: "colour" }),
      Plot.text(shown, { x: "value", y: "row", text: "text", dy: -13, fill: "currentColor" }),
      Plot.text(nothing, { frameAnchor: "left", y: "row", text: "text", dx: 10, fill: "var(--soft)" }),
      Plot.tip(shown, Plot.pointer({ ...kTip, x: "value", y: "row", title: "words" })),
    ],
    color: { type: "identity" },
  });
}
