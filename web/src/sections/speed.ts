// What the emulation costs in speed, with its uncertainty.
import { intervalDots } from "../charts/interval_dots";
import { seriesColour } from "../colours";
import type { BenchResult, BenchVariant, Speed } from "../data/bench";
import type { Figure } from "../data/head";
import { resultsOf, type PageData } from "../data/page";
import { element, paragraph, type Child } from "../element";
import { figure } from "../figure";
import { changeText, plural, valueText, fileName } from "../numbers";
import { table } from "../table";
import { origin, type Section } from "./section";

const percent = (ratio: Figure): number => ((ratio ?? NaN) - 1) * 100;

function costs(title: string, variants: BenchVariant[], speedOf: (variant: BenchVariant) => Speed): HTMLElement {
  const dots = variants.map((variant, index) => {
    const speed = speedOf(variant);
    return {
      row: variant.name,
      value: percent(speed.ratio),
      low: percent(speed.ratio_low),
      high: percent(speed.ratio_high),
      text: changeText(speed.ratio),
      words: `${variant.name}\n${changeText(speed.ratio)} time\n95 %: ${changeText(speed.ratio_low)} to ${changeText(speed.ratio_high)}`,
      colour: seriesColour(index),
    };
  });
  return figure("speed", title, intervalDots(dots, { label: "percent more time than the baseline", middle: 0 }));
}

const rate = (tps: Figure): string => `${valueText(tps, 4)} t/s`;

function sectionOf(file: string, result: BenchResult, count: number): Child[] {
  return [
    origin(count, file, fileName(result.model)),
    paragraph(
      `Baseline and variants took turns, ${plural(result.repetitions, "round")} of ${result.prompt_tokens} prompt and `,
      `${result.decode_tokens} decode tokens, ${plural(result.threads, "thread")}. This is what the emulation costs, not what hardware `,
      `with such a format would gain.`),
    element("div", { class: "charts" },
      costs("Reading the prompt", result.variants, (variant) => variant.prompt),
      costs("Decoding", result.variants, (variant) => variant.decode)),
    table("Tokens per second", [
      { title: "", value: (row: { name: string; prompt: Figure; decode: Figure }) => row.name },
      { title: "prompt", value: (row) => row.prompt, text: (row) => rate(row.prompt) },
      { title: "decode", value: (row) => row.decode, text: (row) => rate(row.decode) },
    ], [
      { name: "baseline", prompt: result.baseline.prompt_tps, decode: result.baseline.decode_tps },
      ...result.variants.map((variant) => ({ name: variant.name, prompt: variant.prompt.tps, decode: variant.decode.tps })),
    ]),
  ];
}

export function speed(page: PageData): Section | null {
  const benches = resultsOf(page, "fakequant.bench/1").filter(({ result }) => result.variants.length > 0);
  if (benches.length === 0) return null;
  return { id: "speed", title: "Speed", content: benches.flatMap(({ file, result }) => sectionOf(file, result, benches.length)) };
}
