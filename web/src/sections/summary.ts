// The summary of the page: the findings, as sentences and one table.
import type { EvalVariant } from "../data/eval";
import { resultsOf, type PageData } from "../data/page";
import type { SweepResult } from "../data/sweep";
import { code, element, paragraph, type Child } from "../element";
import { changeText, countText, estimateText, fileName, listText, percentText, plural, valueText } from "../numbers";
import { scoreColumns } from "../score_columns";
import { studyOf, type Measured } from "../study";
import { table } from "../table";
import type { Section } from "./section";

function variantName(variant: Measured): Child[] {
  return [code(variant.site), variant.layer === null ? " in " : ` of layer ${variant.layer} in `, code(variant.name)];
}

// The formats that stay below a divergence wherever they were measured, the most harmful last.
function harmless(variants: Measured[], formats: string[], limit: number): string[] {
  return formats.filter((name) => variants.every((variant) => variant.name !== name || variant.mean <= limit));
}

function ofStudy(sweep: SweepResult): Child[] {
  const { variants, formats, sites } = studyOf(sweep);
  const order = [...variants].sort((a, b) => b.mean - a.mean);
  const [worst, least] = [order[0], order[order.length - 1]];
  if (!worst || !least) return [element("li", {}, "The study holds no measurements yet.")];
  const items: Child[] = [
    element("li", {}, `${plural(variants.length, "variant")} were measured: ${plural(sites.length, "site")} in `,
      `${plural(formats.length, "format")}.`),
    element("li", {}, "The most harmful is ", ...variantName(worst), `: a KL divergence of ${estimateText(worst.mean, worst.kld.error)} nats, `,
      `perplexity ${changeText(worst.ppl_ratio)}, the same top token in ${percentText(worst.top1_agreement)} of the predictions.`),
  ];
  const above = order.filter((variant) => variant.mean > 0);
  const gentlest = above[above.length - 1];
  if (gentlest && gentlest !== worst) {
    items.push(element("li", {}, "The least harmful one that changes anything is ", ...variantName(gentlest),
      `, with ${valueText(gentlest.mean)} nats: ${countText(Number((worst.mean / gentlest.mean).toPrecision(2)))} times less.`));
  }
  const unchanged = variants.length - above.length;
  if (unchanged > 0) items.push(element("li", {}, `${plural(unchanged, "variant")} changed nothing at all.`));
  const mild = harmless(variants, formats, 1e-3);
  if (mild.length > 0) {
    items.push(element("li", {}, "Below 0.001 nats wherever they were tried: ", ...mild.flatMap((name, index): Child[] =>
      index === 0 ? [code(name)] : [", ", code(name)]), "."));
  }
  return items;
}

function ofVariants(page: PageData): HTMLElement | null {
  const written = resultsOf(page, "fakequant.generate/1").flatMap(({ result }) => result.prompts);
  const identical = (name: string): string => {
    const texts = written.flatMap((prompt) => prompt.variants.filter((variant) => variant.name === name));
    return texts.length === 0 ? "–" : `${texts.filter((text) => text.identical).length} of ${texts.length}`;
  };
  const variants = resultsOf(page, "fakequant.eval/1").flatMap(({ result }) => result.variants);
  if (variants.length === 0) return null;
  return table("Variants compared with the unmodified model", [
    { title: "variant", value: (variant: EvalVariant) => variant.name },
    ...scoreColumns<EvalVariant>(page.quantities, ["ppl"]),
    { title: "identical answers", value: (variant) => identical(variant.name) },
  ], variants);
}

function ofDrift(page: PageData): Child[] {
  return resultsOf(page, "fakequant.drift/1").flatMap(({ result }): Child[] => {
    const entered = result.nodes.filter((node) => node.role === "entered").length;
    const error = result.logits.relative_error ?? null;
    if (entered === 0 || error === null) return [];
    return [element("li", {}, "Under ", code(result.recipe || fileName(result.against ?? "")), ` error enters at `,
      `${plural(entered, "node")}, and the relative error of the logits is ${percentText(error)}.`)];
  });
}

export function summary(page: PageData): Section {
  const studies = resultsOf(page, "fakequant.sweep/1").flatMap(({ result }) => ofStudy(result));
  const differing = resultsOf(page, "fakequant.eval/1").flatMap(({ result }) =>
    result.variants.filter((variant) => variant.kld.mean === 0).map((variant) => variant.name));
  const items = [
    ...studies,
    ...(differing.length > 0 ? [element("li", {}, `${listText(differing)} has exactly the predictions of the unmodified model.`)] : []),
    ...ofDrift(page),
  ];
  return {
    id: "summary",
    title: "In short",
    content: [
      paragraph("Values were rounded to a number format and written back as the floats they were stored in; everything else was ",
        "left as it is. A KL divergence of 0 means identical predictions everywhere."),
      ofVariants(page),
      items.length > 0 ? element("ul", {}, ...items) : null,
    ],
  };
}
