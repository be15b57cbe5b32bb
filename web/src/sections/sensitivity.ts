// A study: which layers are sensitive to which format, as maps, curves and a table.
import { heatLegend, heatMap, variantInWords } from "../charts/heat_map";
import { layerCurves } from "../charts/layer_curves";
import { intervalDots } from "../charts/interval_dots";
import { seriesColour, seriesDash } from "../colours";
import { resultsOf, type From, type PageData } from "../data/page";
import type { Quantity } from "../data/scores";
import type { SweepResult } from "../data/sweep";
import { code, element, paragraph, type Child } from "../element";
import { figure } from "../figure";
import { intervalFromZero } from "../interval";
import { logRange, type LogRange } from "../log_axis";
import { countText, estimateText, fileName, plural, valueText } from "../numbers";
import { scoreColumns } from "../score_columns";
import { siteInWords, studyOf, type Measured, type Site, type Study } from "../study";
import { table, type Column } from "../table";
import { origin, type Section } from "./section";

function columnsOf(quantities: Quantity[]): Column<Measured>[] {
  return [
    { title: "site", value: (v) => v.site, code: true },
    { title: "layer", value: (v) => v.layer, text: (v) => (v.layer === null ? "all" : String(v.layer)) },
    { title: "format", value: (v) => v.name, code: true },
    { title: "bits", value: (v) => v.bits ?? null, text: (v) => valueText(v.bits ?? null, 4) },
    ...scoreColumns<Measured>(quantities, ["ppl"]),
    { title: "chunks", value: (v) => v.chunks, text: (v) => (v.isPredicted ? "predicted" : countText(v.chunks)) },
    { title: "computed from layer", value: (v) => v.first_layer },
  ];
}

function heading(sweep: SweepResult): Child {
  const texts = sweep.texts.map((text) => `${fileName(text.text)} (${plural(text.chunks, "chunk")})`).join(", ");
  return paragraph(
    `Each variant is `, code(fileName(sweep.model)), ` with one site rounded to one format, compared with the unmodified model `,
    `(perplexity ${estimateText(sweep.baseline.ppl, sweep.baseline.ppl_error)}) on ${texts}, in chunks of ${sweep.ctx_size} tokens. `,
    `The KL divergence measures how far its predictions move, in nats: 0 means identical predictions everywhere.`,
  );
}

function curvesOf(site: Site, study: Study, range: LogRange | null): HTMLElement {
  const points = [...site.byLayer].sort((a, b) => a.layer - b.layer).map((variant) => ({
    series: variant.name,
    x: variant.layer,
    y: variant.mean,
    ...intervalFromZero(variant.mean, variant.kld.error),
    words: variantInWords(variant),
  }));
  const index = (name: string): number => study.formats.indexOf(name);
  points.sort((a, b) => index(a.series) - index(b.series));
  const chart = layerCurves(points, {
    xLabel: "layer",
    yLabel: "KL divergence, nats",
    colour: (name) => seriesColour(index(name)),
    dash: (name) => seriesDash(index(name)),
    range,
  });
  return figure("curves", siteInWords(site.site), chart);
}

function wholeSites(study: Study, range: LogRange | null): HTMLElement | null {
  const whole = study.variants.filter((variant) => variant.layer === null);
  if (whole.length === 0) return null;
  const dots = whole.map((variant) => ({
    row: `${variant.site} ${variant.name}`,
    value: variant.mean,
    ...intervalFromZero(variant.mean, variant.kld.error),
    text: variant.mean > 0 ? valueText(variant.mean) : "0: changes nothing",
    words: variantInWords(variant),
    colour: seriesColour(study.formats.indexOf(variant.name)),
  }));
  return figure("whole", "All layers of a site at once",
    intervalDots(dots, { label: "KL divergence, nats", log: range, width: 760 }));
}

function sectionOf({ file, result }: From<SweepResult>, count: number, quantities: Quantity[]): Child[] {
  const study = studyOf(result);
  const layered = study.sites.filter((site) => site.byLayer.length > 0);
  const range = logRange(study.variants.flatMap((variant) => [variant.mean, variant.mean - 1.96 * (variant.kld.error ?? 0)]
    .filter((value) => value > variant.mean / 30)));
  const heat = spread(layered.flatMap((site) => site.byLayer.map((variant) => variant.mean)));
  const content: Child[] = [origin(count, file, fileName(result.model)), heading(result)];
  if (layered.length > 0) {
    content.push(
      element("h3", {}, "Layer by format"),
      paragraph("Each row is one layer rounded on its own, each column a format, the least harmful first. ",
        "All maps use the same colour scale."),
      heatLegend(heat),
      element("div", { class: "charts" },
        ...layered.map((site) => figure("heat", siteInWords(site.site), heatMap(site, study.formats, heat)))),
      element("h3", {}, "Layer by layer"),
      paragraph("With 95 % intervals, which show how much a value depends on the choice of text. ",
        "Layers whose intervals do not overlap differ. A value of 0 cannot be drawn on a logarithmic axis: the line is interrupted."),
      element("div", { class: "charts" }, ...layered.map((site) => curvesOf(site, study, range))),
    );
  }
  content.push(wholeSites(study, range), ...unlike(study));
  const worst = [...study.variants].sort((a, b) => b.mean - a.mean);
  content.push(table(`${plural(study.variants.length, "variant")}, the most harmful first (± is one standard error)`, columnsOf(quantities), worst));
  const notes = result.notes ?? [];
  if (notes.length > 0) content.push(element("ul", {}, ...notes.map((note) => element("li", {}, note))));
  return content;
}

// What is not like the other figures: predictions, variants measured on less text, and those without figures.
function unlike(study: Study): Child[] {
  const predicted = study.variants.filter((variant) => variant.isPredicted).length;
  const short = study.variants.filter((variant) => variant.isShort).length;
  return [
    predicted > 0 ? paragraph(`${plural(predicted, "variant")} marked ~ were predicted from others, and not measured.`) : null,
    short > 0 ? paragraph(`${plural(short, "variant")} marked * were measured on fewer chunks than others: their figures are over less text.`) : null,
    study.overflowed.length > 0 ? paragraph("Without figures, because a logit became NaN or infinite: ",
      ...study.overflowed.flatMap((variant, index): Child[] => [index > 0 ? ", " : "", code(variant.recipe)]), ".") : null,
  ];
}

// The smallest and the largest value above zero.
function spread(values: number[]): LogRange | null {
  const above = values.filter((value) => value > 0);
  return above.length > 0 ? { low: Math.min(...above), high: Math.max(...above) } : null;
}

export function sensitivity(page: PageData): Section | null {
  const sweeps = resultsOf(page, "fakequant.sweep/1");
  if (sweeps.length === 0) return null;
  return {
    id: "sensitivity",
    title: "Sensitivity: which layers are sensitive to which format",
    content: sweeps.flatMap((sweep) => sectionOf(sweep, sweeps.length, page.quantities)),
  };
}
