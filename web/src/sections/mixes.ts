// Mixes of formats: what a budget of bits can buy.
import { mixesOf, paretoChart } from "../charts/pareto";
import { resultsOf, type PageData } from "../data/page";
import { paragraph, type Child } from "../element";
import { figure, legend } from "../figure";
import { fileName, plural, valueText } from "../numbers";
import { table } from "../table";
import { origin, type Section } from "./section";

export function mixes(page: PageData): Section | null {
  const plans = resultsOf(page, "fakequant.plan/1").filter(({ result }) => Array.isArray(result.pareto));
  if (plans.length === 0) return null;
  const content: Child[] = [];
  for (const { file, result } of plans) {
    const points = mixesOf(result.pareto);
    const isMeasured = points.some((mix) => mix.measured !== null);
    content.push(
      origin(plans.length, file, fileName(result.model)),
      paragraph("Each point is a mix of formats, site by site, that no other mix beats: no mix of as few bits is predicted to ",
        "change the model less. Points further left are smaller, points further down are closer to the unmodified model."),
      legend([
        { name: "predicted", colour: "var(--series-0)" },
        ...(isMeasured ? [{ name: "measured", colour: "var(--series-1)" }] : []),
      ]),
      figure("pareto", "Divergence against bits", paretoChart(points)),
      table(plural(points.length, "mix").replace(/xs$/, "xes"), [
        { title: "bits per value", value: (mix) => mix.bits, text: (mix) => valueText(mix.bits, 4) },
        { title: "KL divergence predicted, nats", value: (mix) => mix.kld, text: (mix) => valueText(mix.kld) },
        { title: "measured", value: (mix) => mix.measured, text: (mix) => valueText(mix.measured) },
      ], points),
    );
  }
  return { id: "mixes", title: "What a budget of bits can buy", content };
}
