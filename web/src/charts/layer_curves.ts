// Curves over the layers, a line for each of several series, on a logarithmic axis, with intervals where they are known.
// A line is interrupted at a value of zero, which cannot be drawn on such an axis.
import * as Plot from "@observablehq/plot";
import { labelPositions } from "../label_positions";
import { logRange, logTicks, logTickText, type LogRange } from "../log_axis";
import { kFrame, kGrid, kTip, widest } from "./frame";

export interface CurvePoint {
  series: string;
  x: number;
  y: number;
  low?: number;
  high?: number;
  words: string; // in the tooltip
}

export interface CurveOptions {
  xLabel: string;
  yLabel: string;
  colour: (series: string) => string;
  dash?: (series: string) => string;
  range?: LogRange | null; // of the vertical axis; left out: that of the values
  width?: number;
  height?: number;
  tickOfX?: (x: number) => string;
}

const kLetters = 14; // pixels between labels
const kMany = 24; // points of a line that are drawn small
const kWide = 110; // with labels this wide, in pixels, there is no room for a second chart

export function layerCurves(points: CurvePoint[], options: CurveOptions): Element {
  const range = options.range ?? logRange(points.map((point) => point.y)) ?? { low: 0.1, high: 1 };
  const series = [...new Set(points.map((point) => point.series))];
  const shown = points.map((point) => ({ ...point, y: point.y > 0 ? point.y : null }));
  const intervals = points.filter((point) => point.y > 0 && (point.high ?? 0) > 0);
  const xs = points.map((point) => point.x);
  const domain: [number, number] = [Math.min(...xs), Math.max(...xs)];
  if (domain[0] === domain[1]) domain[1] += 1;
  const height = options.height ?? 300;
  const [marginTop, marginBottom] = [26, 44];
  const labels = endLabels(shown, series, range, { top: marginTop, bottom: height - marginBottom });
  const low = (point: CurvePoint): number => Math.max(range.low, point.low ?? point.y);
  const high = (point: CurvePoint): number => Math.min(range.high, point.high ?? point.y);
  return Plot.plot({
    ...kFrame,
    width: options.width ?? (domain[1] - domain[0] > kMany || widest(series) > kWide ? 1040 : 500),
    height,
    marginLeft: 58,
    marginRight: 20 + 1.15 * widest(series),
    marginTop,
    marginBottom,
    x: {
      domain,
      label: options.xLabel,
      labelAnchor: "center",
      labelArrow: "none",
      labelOffset: 36,
      ...(domain[1] - domain[0] <= 12 ? { ticks: domain[1] - domain[0] } : {}),
      tickFormat: options.tickOfX ?? ((x: number) => (Number.isInteger(x) ? String(x) : "")),
    },
    y: { type: "log", domain: [range.low, range.high], label: null },
    marks: [
      Plot.gridY(logTicks(range), kGrid),
      Plot.axisY(logTicks(range), { text: logTickText, tickSize: 0, label: options.yLabel, labelArrow: "none" }),
      Plot.areaY(intervals, {
        x: "x",
        y1: low,
        y2: high,
        z: "series",
        fill: (point: CurvePoint) => options.colour(point.series),
        fillOpacity: 0.16,
      }),
      Plot.ruleX(intervals, {
        x: "x",
        y1: low,
        y2: high,
        stroke: (point: CurvePoint) => options.colour(point.series),
        strokeOpacity: 0.55,
      }),
      ...series.map((name) =>
        Plot.line(shown.filter((point) => point.series === name), {
          x: "x",
          y: "y",
          stroke: options.colour(name),
          strokeWidth: 1.8,
          strokeDasharray: options.dash?.(name) ?? "none",
        }),
      ),
      Plot.dot(shown, {
        x: "x",
        y: "y",
        r: domain[1] - domain[0] > kMany ? 1.4 : 2.5,
        fill: (point: CurvePoint) => options.colour(point.series),
      }),
      ...labels.map(({ name, shift }) =>
        Plot.text([name], {
          frameAnchor: "top-right",
          textAnchor: "start",
          lineAnchor: "middle",
          dx: 9,
          dy: shift,
          fill: options.colour(name),
          fontWeight: 600,
        }),
      ),
      Plot.tip(shown, Plot.pointer({ ...kTip, x: "x", y: "y", title: "words" })),
    ],
  });
}

interface EndLabel {
  name: string;
  shift: number; // pixels below the frame's top
}

// The names of the series, each at its last point.
function endLabels(
  points: { series: string; x: number; y: number | null }[],
  series: string[],
  range: LogRange,
  frame: { top: number; bottom: number },
): EndLabel[] {
  const ends: EndLabel[] = [];
  for (const name of series) {
    const end = points.filter((point) => point.series === name && point.y !== null).reduce(
      (last: { x: number; y: number | null } | null, point) => (last === null || point.x >= last.x ? point : last), null);
    if (!end || end.y === null) continue;
    const fraction = Math.log(range.high / end.y) / Math.log(range.high / range.low);
    ends.push({ name, shift: fraction * (frame.bottom - frame.top) });
  }
  const positions = labelPositions(ends.map((end) => end.shift), kLetters, 0, frame.bottom - frame.top);
  return ends.map((end, index) => ({ name: end.name, shift: positions[index] ?? end.shift }));
}
