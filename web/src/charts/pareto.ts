// The Pareto front: for each number of bits, the mix of formats with the smallest predicted divergence, and the measured
// divergence of the mixes that were measured.
import * as Plot from "@observablehq/plot";
import type { ParetoPoint, PlainMix } from "../data/plan";
import { logRange, logTicks, logTickText } from "../log_axis";
import { valueText } from "../numbers";
import { kFrame, kGrid, kTip } from "./frame";

interface Mix {
  bits: number;
  kld: number;
  measured: number | null;
  words: string;
}

export function mixesOf(points: ParetoPoint[]): Mix[] {
  const mixes: Mix[] = [];
  for (const point of points) {
    if (point.bits === null || point.kld === null) continue;
    const measured = point.measured_kld ?? null;
    const words = [`${valueText(point.bits)} bits per value`, `KL divergence ${valueText(point.kld)} nats predicted`];
    if (measured !== null) words.push(`${valueText(measured)} measured`);
    if (point.name) words.push(point.name);
    mixes.push({ bits: point.bits, kld: point.kld, measured, words: words.join("\n") });
  }
  return mixes.sort((a, b) => a.bits - b.bits);
}

// `plain`: mixes that others made, beside the front.
export function paretoChart(mixes: Mix[], plain: PlainMix[] = []): Element {
  const beside = plain.filter((mix) => mix.bits !== null && mix.kld !== null && mix.kld > 0);
  const above = mixes.filter((mix) => mix.kld > 0);
  const measured = mixes.filter((mix) => mix.measured !== null && mix.measured > 0);
  const range = logRange([...mixes.flatMap((mix) => [mix.kld, mix.measured]), ...beside.map((mix) => mix.kld)]) ?? { low: 0.1, high: 1 };
  return Plot.plot({
    ...kFrame,
    width: 760,
    height: 360,
    marginLeft: 58,
    marginRight: 20,
    marginTop: 28,
    marginBottom: 42,
    x: { label: "bits per value", labelAnchor: "center", labelArrow: "none", labelOffset: 36, inset: 12 },
    y: { type: "log", domain: [range.low, range.high], label: null },
    marks: [
      Plot.gridY(logTicks(range), kGrid),
      Plot.axisY(logTicks(range), { text: logTickText, tickSize: 0, label: "KL divergence, nats", labelArrow: "none" }),
      Plot.line(above, { x: "bits", y: "kld", curve: "step-after", stroke: "var(--series-0)", strokeWidth: 1.6 }),
      Plot.dot(above, { x: "bits", y: "kld", r: 3.5, fill: "var(--series-0)" }),
      Plot.link(measured.filter((mix) => mix.kld > 0), {
        x: "bits",
        y1: "kld",
        y2: "measured",
        stroke: "var(--series-1)",
        strokeDasharray: "2 2",
      }),
      Plot.dot(measured, { x: "bits", y: "measured", r: 4.5, symbol: "diamond", fill: "var(--card)", stroke: "var(--series-1)", strokeWidth: 2 }),
      ...(beside.length === 0 ? [] : [
        Plot.dot(beside, { x: "bits", y: "kld", r: 4, symbol: "square", fill: "var(--card)", stroke: "var(--series-2)", strokeWidth: 2 }),
        Plot.text(beside, { x: "bits", y: "kld", text: "name", dy: -10, fill: "currentColor" }),
      ]),
      Plot.tip(mixes, Plot.pointer({ ...kTip, x: "bits", y: "kld", title: "words" })),
    ],
  });
}
