// Perplexity and divergence of variants, over the whole text and along it, and the predictions that differ most.
import { intervalDots } from "../charts/interval_dots";
import { layerCurves } from "../charts/layer_curves";
import { seriesColour } from "../colours";
import type { EvalResult, EvalVariant, RoundedSite, WorstToken } from "../data/eval";
import { resultsOf, type PageData } from "../data/page";
import type { Quantile, Quantity } from "../data/scores";
import { code, element, paragraph, type Child } from "../element";
import { figure } from "../figure";
import { interval, intervalFromZero } from "../interval";
import { logRange } from "../log_axis";
import { changeText, countText, estimateText, fileName, percentText, plural, valueText } from "../numbers";
import { scoreColumns } from "../score_columns";
import { table } from "../table";
import { origin, type Section } from "./section";

const kQuantiles: [string, Quantile][] = [
  ["median", "median"], ["90 %", "p90"], ["99 %", "p99"], ["99.9 %", "p999"], ["max", "max"],
];

function describe(variant: EvalVariant): Child {
  const what: Child[] = variant.model ? ["the model ", code(variant.model)]
    : variant.recipe ? [code(variant.recipe)] : ["no rules: the model against itself"];
  return element("li", {}, element("b", {}, variant.name), ": ", ...what);
}

function words(variant: EvalVariant): string {
  return [
    variant.name,
    `KL divergence ${estimateText(variant.kld.mean, variant.kld.error)} nats`,
    `perplexity ${estimateText(variant.ppl, variant.ppl_error)}, ${changeText(variant.ppl_ratio)}`,
    `same top token ${percentText(variant.top1_agreement)}`,
  ].join("\n");
}

function divergences(result: EvalResult): HTMLElement {
  const dots = result.variants.map((variant, index) => ({
    row: variant.name,
    value: variant.kld.mean ?? NaN,
    ...intervalFromZero(variant.kld.mean, variant.kld.error),
    text: variant.kld.mean === 0 ? "0: identical predictions" : valueText(variant.kld.mean),
    words: words(variant),
    colour: seriesColour(index),
  }));
  const range = logRange(dots.flatMap((dot) => [dot.low > dot.value / 30 ? dot.low : null, dot.value, dot.high]));
  return figure("divergence", "KL divergence from the baseline", intervalDots(dots, { label: "nats", log: range }));
}

function perplexities(result: EvalResult): HTMLElement {
  const dots = result.variants.map((variant, index) => {
    const { low, high } = interval(variant.ppl_ratio, variant.ppl_ratio_error);
    return {
      row: variant.name,
      value: ((variant.ppl_ratio ?? NaN) - 1) * 100,
      low: (low - 1) * 100,
      high: (high - 1) * 100,
      text: changeText(variant.ppl_ratio),
      words: words(variant),
      colour: seriesColour(index),
    };
  });
  return figure("perplexity", "Change of perplexity",
    intervalDots(dots, { label: "percent of the baseline's", middle: 0 }));
}

function alongTheText(result: EvalResult): HTMLElement | null {
  const changed = result.variants.filter((variant) => (variant.kld.mean ?? 0) > 0 && variant.chunks.length > 1);
  if (changed.length === 0) return null;
  const points = changed.flatMap((variant) =>
    variant.chunks.map((chunk, index) => ({
      series: variant.name,
      x: index,
      y: chunk.kld ?? 0,
      words: `${variant.name}, chunk ${chunk.chunk} of ${fileName(chunk.text)}\nKL divergence ${valueText(chunk.kld)} nats\n`
        + `same top token ${percentText(chunk.top1_agreement)}`,
    })),
  );
  const chart = layerCurves(points, {
    xLabel: "chunk of the text",
    yLabel: "KL divergence, nats",
    colour: (name) => seriesColour(result.variants.findIndex((variant) => variant.name === name)),
    width: 1040,
    height: 260,
  });
  return figure("chunks", "Along the text", chart, "The mean of each chunk. Peaks show the passages that a rounding affects.");
}

const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, " ⏎ ");
const quoted = (text: string): string => `“${text.replaceAll("\n", "⏎")}”`;

function worstTokens(variant: EvalVariant): HTMLElement | null {
  if (variant.worst_tokens.length === 0) return null;
  return table(`${variant.name}: the predictions that changed most`, [
    { title: "KL divergence", value: (t: WorstToken) => t.kld, text: (t) => valueText(t.kld) },
    { title: "after", value: (t) => t.context, text: (t) => oneLine(`…${t.context.slice(-48)}`) },
    { title: "actual", value: (t) => t.token, text: (t) => quoted(t.token) },
    { title: "baseline: p", value: (t) => t.p_baseline, text: (t) => percentText(t.p_baseline) },
    { title: "baseline expects", value: (t) => t.top_baseline, text: (t) => quoted(t.top_baseline) },
    { title: "variant: p", value: (t) => t.p_variant, text: (t) => percentText(t.p_variant) },
    { title: "variant expects", value: (t) => t.top_variant, text: (t) => quoted(t.top_variant) },
  ], variant.worst_tokens, 5);
}

function roundedSites(sites: RoundedSite[]): HTMLElement | null {
  if (sites.length === 0) return null;
  return table("What was rounded while the text was evaluated", [
    { title: "variant", value: (s: RoundedSite) => s.variant },
    { title: "site", value: (s) => s.site, code: true },
    { title: "format", value: (s) => s.format, code: true },
    { title: "rows", value: (s) => s.rows, text: (s) => countText(s.rows) },
    { title: "columns", value: (s) => s.columns },
    { title: "elements", value: (s) => s.elements, text: (s) => countText(s.elements) },
    { title: "changed", value: (s) => (s.elements > 0 ? s.changed / s.elements : null),
      text: (s) => percentText(s.elements > 0 ? s.changed / s.elements : null) },
    { title: "max abs", value: (s) => s.max_abs, text: (s) => valueText(s.max_abs) },
    { title: "SQNR, dB", value: (s) => s.sqnr_db, text: (s) => valueText(s.sqnr_db) },
    { title: "kernels round it to", value: (s) => s.kernels_round_to.join(", ") },
  ], sites);
}

function sectionOf(file: string, result: EvalResult, count: number, quantities: Quantity[]): Child[] {
  const texts = result.texts.map((text) => fileName(text.text)).join(", ");
  return [
    origin(count, file, fileName(result.model)),
    paragraph(
      `${result.interrupted ? "Interrupted: measured so far" : "Measured"} on ${texts}: ${plural(result.chunks, "chunk")} of `,
      `${result.ctx_size} tokens, ${plural(result.tokens_scored, "prediction")} scored. The baseline, the unmodified model, has a `,
      `perplexity of ${estimateText(result.baseline.ppl, result.baseline.ppl_error)}. Lines around points are 95 % intervals; `,
      `± is one standard error.`),
    element("ul", {}, ...result.variants.map(describe)),
    element("div", { class: "charts" }, divergences(result), perplexities(result)),
    alongTheText(result),
    table("Variants compared with the baseline", [
      { title: "variant", value: (v: EvalVariant) => v.name },
      ...scoreColumns<EvalVariant>(quantities),
    ], result.variants),
    table("Quantiles of the KL divergence over the predictions, nats", [
      { title: "variant", value: (v: EvalVariant) => v.name },
      ...kQuantiles.map(([title, quantile]) => ({
        title, value: (v: EvalVariant) => v.kld[quantile], text: (v: EvalVariant) => valueText(v.kld[quantile]),
      })),
    ], result.variants),
    ...result.variants.map(worstTokens),
    roundedSites(result.sites),
  ];
}

export function divergence(page: PageData): Section | null {
  const evals = resultsOf(page, "fakequant.eval/1");
  if (evals.length === 0) return null;
  return {
    id: "divergence",
    title: "Perplexity and divergence",
    content: evals.flatMap(({ file, result }) => sectionOf(file, result, evals.length, page.quantities)),
  };
}
