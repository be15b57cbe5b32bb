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

// A variant, and the model and text that it was measured on.
interface Row extends EvalVariant {
  of: string;
  text: string;
}

function rowsOf(page: PageData): Row[] {
  return resultsOf(page, "fakequant.eval/1").flatMap(({ result }) => result.variants.map((variant) => ({
    ...variant,
    of: result.model,
    text: `${result.texts.map((text) => fileName(text.text)).join(", ")}, ${plural(result.chunks, "chunk")}`,
  })));
}

// The odds that count as telling two models apart.
const kOdds = 20;

// What a divergence means: how much text it takes to tell the variant from the baseline. The expected log-likelihood ratio
// of a token is the KL divergence, so odds of 20 to 1 take ln(20) / KLD tokens.
function tokensToTell(kld: number): string {
  const tokens = Math.log(kOdds) / kld;
  return countText(Number(Math.max(1, tokens).toPrecision(2)));
}

function verdicts(rows: Row[]): Child[] {
  return rows.filter((row) => (row.kld.mean ?? 0) > 0).map((row) => {
    const kld = row.kld.mean ?? 0;
    const harsher = rows.filter((other) => other.yardstick && other.of === row.of && other.text === row.text && (other.kld.mean ?? 0) >= kld)
      .sort((a, b) => (a.kld.mean ?? 0) - (b.kld.mean ?? 0))[0];
    const ratio = harsher && !row.yardstick ? (harsher.kld.mean ?? 0) / kld : 0;
    return element("li", {}, element("b", {}, row.name), `: the most likely token stays the same in ${percentText(row.top1_agreement)} of the `,
      `predictions, and perplexity changes by ${changeText(row.ppl_ratio)}. It takes about ${tokensToTell(kld)} tokens of text to tell it from `,
      `the unmodified model with odds of ${kOdds} to 1.`,
      ...(harsher && ratio > 0 ? [` It loses ${valueText(1 / ratio, 2)} times as much as `, code(harsher.name), ", a common quantization."] : []));
  });
}

function ofVariants(page: PageData): HTMLElement | null {
  const rows = rowsOf(page);
  if (rows.length === 0) return null;
  const answers = resultsOf(page, "fakequant.generate/1").flatMap(({ result }) =>
    result.prompts.flatMap((prompt) => prompt.variants.map((variant) => ({ of: result.model, variant }))));
  const identical = (row: Row): string => {
    const own = answers.filter(({ of, variant }) => of === row.of && variant.name === row.name);
    return own.length === 0 ? "–" : `${own.filter(({ variant }) => variant.identical).length} of ${own.length}`;
  };
  const isMixed = new Set(rows.map((row) => `${row.of} ${row.text}`)).size > 1;
  return table("Variants compared with the unmodified model", [
    { title: "variant", value: (row: Row) => row.name },
    ...(isMixed ? [{ title: "model", value: (row: Row) => fileName(row.of) }, { title: "text", value: (row: Row) => row.text }] : []),
    ...scoreColumns<Row>(page.quantities, ["ppl"]),
    { title: "identical answers", value: identical },
  ], rows);
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
  const rows = rowsOf(page);
  const models = new Set(rows.map((row) => row.of));
  const same = rows.filter((row) => row.kld.mean === 0 && row.kld.max === 0)
    .map((row) => (models.size > 1 ? `${row.name} of ${fileName(row.of)}` : row.name));
  const items = [
    ...verdicts(rows),
    ...studies,
    ...(same.length > 0 ? [element("li", {}, `${listText(same)} ${same.length === 1 ? "has" : "have"} exactly the predictions of the unmodified model.`)] : []),
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
