// The answers of the model and its variants to the same prompts, side by side, with the differences marked.
import { commonPrefix } from "../common_prefix";
import type { GenerateResult, Parting, Prompt, WrittenVariant } from "../data/generate";
import { resultsOf, type PageData } from "../data/page";
import { code, element, paragraph, type Child } from "../element";
import { percentText, plural, fileName } from "../numbers";
import { origin, type Section } from "./section";

// A text whose end, from `alike` on, is marked; a text that ends there says so.
function marked(text: string, alike: number): HTMLElement {
  const rest = text.slice(alike);
  const end = rest ? element("mark", {}, rest) : element("mark", { class: "end" }, "ends here");
  return element("pre", {}, text.slice(0, alike), end);
}

function panel(title: string, content: HTMLElement): HTMLElement {
  return element("div", { class: "panel" }, element("h5", {}, title), content);
}

function partingText(at: Parting): Child[] {
  const token = (text: string): Child => code(JSON.stringify(text));
  return [
    `At token ${at.position} the baseline gives `, token(at.baseline_token.text), ` ${percentText(at.baseline.p_baseline_token)} and `,
    token(at.variant_token.text), ` ${percentText(at.baseline.p_variant_token)}; the variant gives them `,
    `${percentText(at.variant.p_baseline_token)} and ${percentText(at.variant.p_variant_token)}.`,
  ];
}

function verdict(prompt: Prompt, variant: WrittenVariant): string {
  const forced = `Given the baseline’s text, both have the same most likely token at ${percentText(variant.forced_agreement)} of `
    + `${plural(prompt.forced_places, "position")}.`;
  if (variant.identical) return `identical, ${plural(variant.tokens, "token")}. ${forced}`;
  return `${variant.tokens_alike} of ${plural(Math.max(prompt.tokens, variant.tokens), "token")} alike. ${forced}`;
}

function written(prompt: Prompt, variant: WrittenVariant): HTMLElement {
  const head = element("p", {}, element("span", { class: variant.identical ? "badge same" : "badge differs" },
    variant.identical ? "identical" : "differs"), " ", element("b", {}, variant.name), ": ", verdict(prompt, variant));
  if (variant.identical) return element("div", { class: "written" }, head);
  const alike = commonPrefix(prompt.baseline, variant.text);
  return element("div", { class: "written" }, head,
    element("div", { class: "pair" },
      panel("baseline", marked(prompt.baseline, alike)),
      panel(variant.name, marked(variant.text, alike))),
    variant.at_first_difference ? paragraph(...partingText(variant.at_first_difference)) : null);
}

function promptOf(prompt: Prompt, number: number): HTMLElement {
  const isShownAlone = prompt.variants.every((variant) => variant.identical);
  return element("article", { class: "prompt" },
    element("h4", {}, `Prompt ${number}`),
    element("pre", { class: "asked" }, prompt.prompt),
    isShownAlone ? panel("baseline", element("pre", {}, prompt.baseline)) : null,
    ...prompt.variants.map((variant) => written(prompt, variant)));
}

function sectionOf(file: string, result: GenerateResult, count: number): Child[] {
  const sampling = result.temperature > 0
    ? `Sampled at temperature ${result.temperature} with seed ${result.seed}, the same for all.`
    : "The most likely token was taken each time.";
  return [
    origin(count, file, fileName(result.model)),
    paragraph(sampling, " What both wrote alike stands plain; what each wrote from there on is marked."),
    ...result.prompts.map((prompt, index) => promptOf(prompt, index + 1)),
  ];
}

export function prompts(page: PageData): Section | null {
  const generations = resultsOf(page, "fakequant.generate/1");
  if (generations.length === 0) return null;
  return {
    id: "prompts",
    title: "The prompts side by side",
    content: generations.flatMap(({ file, result }) => sectionOf(file, result, generations.length)),
  };
}
