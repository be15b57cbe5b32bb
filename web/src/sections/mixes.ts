// Mixes of formats: what a budget of bits can buy.
import { mixesOf, paretoChart } from "../charts/pareto";
import { resultsOf, type PageData } from "../data/page";
import type { PlanResult } from "../data/plan";
import { paragraph, type Child } from "../element";
import { figure, legend } from "../figure";
import { bytesText, fileName, plural, valueText } from "../numbers";
import { table } from "../table";
import { origin, type Section } from "./section";

// What each part got, and the mixes of llama-quantize beside it.
function chosenPlan(plan: PlanResult): Child[] {
  const content: Child[] = [];
  const assignments = plan.chosen?.assignments ?? [];
  if (assignments.length > 0) {
    content.push(
      paragraph(`The plan: a KL divergence of ${valueText(plan.chosen?.kld ?? null)} nats predicted`,
        plan.chosen?.file_size ? `, in a file of ${bytesText(plan.chosen.file_size)}.` : "."),
      table(plural(assignments.length, "part"), [
        { title: "site", value: (part) => part.site, code: true },
        { title: "layer", value: (part) => part.layer },
        { title: "format", value: (part) => part.format ?? "as it is", code: true },
        { title: "bits", value: (part) => part.bits, text: (part) => valueText(part.bits, 4) },
        { title: "KL divergence by itself, nats", value: (part) => part.kld, text: (part) => valueText(part.kld) },
      ], assignments),
    );
  }
  const plain = plan.plain_mixes ?? [];
  if (plain.length > 0) {
    content.push(
      table("llama-quantize's mixes", [
        { title: "mix", value: (mix) => mix.name, code: true },
        { title: "bytes of the file", value: (mix) => mix.file_size, text: (mix) => bytesText(mix.file_size) },
        { title: "bits of the planned weights", value: (mix) => mix.bits, text: (mix) => valueText(mix.bits, 4) },
        { title: "KL divergence predicted, nats", value: (mix) => mix.kld, text: (mix) => valueText(mix.kld) },
      ], plain),
    );
  }
  return content;
}

export function mixes(page: PageData): Section | null {
  const plans = resultsOf(page, "fakequant.plan/1").filter(({ result }) => Array.isArray(result.pareto));
  if (plans.length === 0) return null;
  const content: Child[] = [];
  for (const { file, result } of plans) {
    const points = mixesOf(result.pareto);
    const plain = result.plain_mixes ?? [];
    const isMeasured = points.some((mix) => mix.measured !== null);
    content.push(
      origin(plans.length, file, fileName(result.model)),
      paragraph("Each point is a mix of formats, site by site, that no other mix beats: no mix of as few bits is predicted to ",
        "change the model less. Points further left are smaller, points further down are closer to the unmodified model."),
      legend([
        { name: "predicted", colour: "var(--series-0)" },
        ...(plain.some((mix) => mix.kld !== null) ? [{ name: "llama-quantize's mixes", colour: "var(--series-2)" }] : []),
        ...(isMeasured ? [{ name: "measured", colour: "var(--series-1)" }] : []),
      ]),
      figure("pareto", "Divergence against bits", paretoChart(points, plain)),
      table(plural(points.length, "mix").replace(/xs$/, "xes"), [
        { title: "bits per value", value: (mix) => mix.bits, text: (mix) => valueText(mix.bits, 4) },
        { title: "KL divergence predicted, nats", value: (mix) => mix.kld, text: (mix) => valueText(mix.kld) },
        { title: "measured", value: (mix) => mix.measured, text: (mix) => valueText(mix.measured) },
      ], points),
      ...chosenPlan(result),
    );
  }
  return { id: "mixes", title: "What a budget of bits can buy", content };
}
