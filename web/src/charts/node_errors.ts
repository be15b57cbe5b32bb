// Every activation of the model in the order in which it is computed, by how far the variant's is from the baseline's:
// where error enters, grows and dies.
import * as Plot from "@observablehq/plot";
import type { DriftNode, Role } from "../data/drift";
import { logRange, logTicks, logTickText } from "../log_axis";
import { percentText } from "../numbers";
import { kFrame, kGrid, kTip } from "./frame";

interface Point extends DriftNode {
  index: number;
  error: number;
}

const kLook: Record<Role, { colour: string; size: number }> = {
  exact: { colour: "var(--soft)", size: 2 },
  carried: { colour: "var(--soft)", size: 2.5 },
  entered: { colour: "var(--series-1)", size: 4.5 },
  grown: { colour: "var(--series-3)", size: 4 },
  died: { colour: "var(--series-2)", size: 4 },
};

export const kRoles: { name: string; colour: string }[] = [
  { name: "error enters", colour: kLook.entered.colour },
  { name: "grows to twice and more", colour: kLook.grown.colour },
  { name: "dies to half and less", colour: kLook.died.colour },
  { name: "is carried on", colour: kLook.carried.colour },
];

function words(node: DriftNode): string {
  const lines = [`${node.node} (${node.operation})`, `relative error ${percentText(node.relative_error)}`];
  if (node.role === "entered") {
    lines.push(node.format ? `rounded to ${node.format}` : `reads ${node.changed_weights.join(", ") || "what differs"}`);
  } else if (node.largest_input) {
    lines.push(`${percentText(node.input_relative_error)} came in from ${node.largest_input}`);
  }
  return lines.join("\n");
}

export function nodeErrors(nodes: DriftNode[]): Element {
  const points: Point[] = [];
  nodes.forEach((node, index) => {
    if (node.relative_error !== null && node.relative_error > 0) points.push({ ...node, index, error: node.relative_error });
  });
  const range = logRange(points.map((point) => point.error)) ?? { low: 0.1, high: 1 };
  const begins: { layer: number; index: number }[] = [];
  nodes.forEach((node, index) => {
    if (node.layer !== null && !begins.some((begin) => begin.layer === node.layer)) begins.push({ layer: node.layer, index });
  });
  const every = Math.ceil(begins.length / 24); // labels that fit
  const isNotable = (point: Point): boolean => point.role !== "carried" && point.role !== "exact";
  const notableLast = [...points.filter((point) => !isNotable(point)), ...points.filter(isNotable)];
  return Plot.plot({
    ...kFrame,
    width: 1040,
    height: 320,
    marginLeft: 58,
    marginRight: 16,
    marginTop: 28,
    marginBottom: 44,
    x: { domain: [0, Math.max(1, nodes.length - 1)], axis: null, inset: 8 },
    y: { type: "log", domain: [range.low, range.high], label: null },
    marks: [
      Plot.gridY(logTicks(range), kGrid),
      Plot.axisY(logTicks(range), { text: logTickText, tickSize: 0, label: "relative error", labelArrow: "none" }),
      Plot.ruleX(begins, { x: "index", stroke: "var(--grid)" }),
      Plot.text(begins.filter((_, index) => index % every === 0), {
        x: "index",
        text: (begin: { layer: number }) => String(begin.layer),
        frameAnchor: "bottom",
        textAnchor: "start",
        dy: 16,
        fill: "var(--soft)",
      }),
      Plot.text(["layer"], { frameAnchor: "bottom", dy: 36, fill: "currentColor" }),
      Plot.dot(notableLast, {
        x: "index",
        y: "error",
        r: (point: Point) => kLook[point.role].size,
        fill: (point: Point) => kLook[point.role].colour,
      }),
      Plot.tip(points, Plot.pointer({ ...kTip, x: "index", y: "error", title: words })),
    ],
    r: { type: "identity" },
  });
}
