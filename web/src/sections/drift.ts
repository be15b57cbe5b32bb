// Where a variant's error enters, grows and dies on its way through the layers.
import { layerCurves, type CurvePoint } from "../charts/layer_curves";
import { kRoles, nodeErrors } from "../charts/node_errors";
import type { DriftNode, DriftResult, LayerPart } from "../data/drift";
import type { Figure } from "../data/head";
import { resultsOf, type PageData } from "../data/page";
import { code, element, paragraph, type Child } from "../element";
import { figure, legend } from "../figure";
import { estimateText, fileName, percentText, plural, valueText } from "../numbers";
import { table } from "../table";
import type { Section } from "./section";

const kParts = [
  { series: "output", part: "output", colour: "var(--series-0)", words: "what leaves it" },
  { series: "attention", part: "attention", colour: "var(--series-1)", words: "attention's result" },
  { series: "FFN", part: "ffn", colour: "var(--series-2)", words: "the FFN's result" },
] as const;

function whatIs(result: DriftResult): Child[] {
  if (result.against) return ["the model ", code(fileName(result.against))];
  return result.recipe ? [code(result.recipe)] : ["no rules, the model against itself"];
}

function throughTheLayers(result: DriftResult): HTMLElement | null {
  const points: CurvePoint[] = kParts.flatMap(({ series, part, words }) =>
    result.layers.flatMap((layer) => {
      const value: LayerPart = layer[part];
      if (!value || value.relative_error === null) return [];
      const detail = `layer ${layer.layer}, ${words} (${value.node})\nrelative error ${percentText(value.relative_error)}\n`
        + `SQNR ${valueText(value.sqnr_db)} dB, cosine ${valueText(value.cosine, 6)}`;
      return [{ series, x: layer.layer, y: value.relative_error, words: detail }];
    }),
  );
  if (!points.some((point) => point.y > 0)) return null;
  const chart = layerCurves(points, {
    xLabel: "layer",
    yLabel: "relative error",
    colour: (name) => kParts.find((part) => part.series === name)?.colour ?? "currentColor",
    width: 1040,
  });
  return figure("drift-layers", "Through the layers", chart,
    "The error of what leaves each layer, and of what its attention and its FFN add to the stream.");
}

function nodeByNode(result: DriftResult): HTMLElement | null {
  if (!result.nodes.some((node) => (node.relative_error ?? 0) > 0)) return null;
  return figure("drift-nodes", "Node by node", nodeErrors(result.nodes), legend(kRoles),
    "Every activation in the order in which it is computed; those that are exact are left out.");
}

function nodes(result: DriftResult): HTMLElement {
  const off = result.nodes.filter((node) => (node.relative_error ?? 1) > 0);
  const telling = [...off].sort((a, b) => Number(b.role === "entered") - Number(a.role === "entered"));
  return table(`${plural(off.length, "activation")} that differ, of ${plural(result.nodes.length, "activation")}`, [
    { title: "node", value: (n: DriftNode) => n.node, code: true },
    { title: "operation", value: (n) => n.operation },
    { title: "layer", value: (n) => n.layer },
    { title: "role", value: (n) => n.role },
    { title: "came in", value: (n) => n.input_relative_error, text: (n) => percentText(n.input_relative_error) },
    { title: "relative error", value: (n) => n.relative_error, text: (n) => percentText(n.relative_error) },
    { title: "growth", value: (n) => n.growth, text: (n) => (n.growth === null ? "–" : `× ${valueText(n.growth)}`) },
    { title: "SQNR, dB", value: (n) => n.sqnr_db, text: (n) => valueText(n.sqnr_db) },
    { title: "cosine", value: (n) => n.cosine, text: (n) => valueText(n.cosine, 6) },
  ], telling);
}

function atTheEnd(result: DriftResult): Child {
  const { logits } = result;
  const error: Figure = logits.relative_error ?? null;
  const divergence = logits.kld ? `, a KL divergence of ${estimateText(logits.kld.mean, logits.kld.error)} nats` : "";
  if (error === null && !divergence) return null;
  return paragraph(`At the end the logits have a relative error of ${percentText(error)}${divergence}`,
    logits.top1_agreement === null ? "." : `, and ${percentText(logits.top1_agreement)} of the predictions have the same top token.`);
}

function sectionOf(file: string, result: DriftResult, count: number): Child[] {
  const name = count > 1 ? element("h3", {}, fileName(file)) : null;
  const exact = result.nodes.every((node) => node.relative_error === 0);
  return [
    name,
    paragraph("The variant: ", ...whatIs(result), `; ${plural(result.tokens, "token")} of ${fileName(result.text)}.`),
    exact ? paragraph("Nothing differs anywhere: every activation is the baseline's, to the last bit.") : null,
    throughTheLayers(result),
    nodeByNode(result),
    exact ? null : atTheEnd(result),
    exact ? null : nodes(result),
  ];
}

export function drift(page: PageData): Section | null {
  const drifts = resultsOf(page, "fakequant.drift/1");
  if (drifts.length === 0) return null;
  return {
    id: "drift",
    title: "Where the error enters, grows and dies",
    content: [
      paragraph("Each activation of a variant is compared with the baseline's. The relative error is ",
        "‖variant − baseline‖ ∕ ‖baseline‖, over all tokens: 1 % means that the norm of the difference is a hundredth of that of the value."),
      ...drifts.flatMap(({ file, result }) => sectionOf(file, result, drifts.length)),
    ],
  };
}
