// The page that `fakequant report` writes: reads the results embedded in it, and draws a section for each kind.
import "./style/page.css";
import "./style/chart.css";
import "./style/table.css";
import "./style/prompt.css";
import "./style/print.css";
import type { PageData } from "./data/page";
import { element } from "./element";
import { bytesText, fileName, plural } from "./numbers";
import { parsePrintable } from "./printable";
import { resultsOf } from "./data/page";
import { divergence } from "./sections/divergence";
import { drift } from "./sections/drift";
import { mixes } from "./sections/mixes";
import { prompts } from "./sections/prompts";
import { provenance } from "./sections/provenance";
import { render, type Section } from "./sections/section";
import { sensitivity } from "./sections/sensitivity";
import { speed } from "./sections/speed";
import { summary } from "./sections/summary";
import { weights } from "./sections/weights";
import { themeButton } from "./theme";

const kSections: [string, (page: PageData) => Section | null][] = [
  ["In short", summary],
  ["The study", sensitivity],
  ["The mixes", mixes],
  ["Perplexity and divergence", divergence],
  ["Drift", drift],
  ["The prompts", prompts],
  ["Speed", speed],
  ["The weights", weights],
  ["How it was measured", provenance],
];

// A damaged file must not hide the rest of the page.
function sectionOf(page: PageData, title: string, make: (page: PageData) => Section | null): Section | null {
  try {
    return make(page);
  } catch (fault) {
    const what = fault instanceof Error ? fault.message : String(fault);
    return { id: title.toLowerCase().replaceAll(" ", "-"), title, content: [`This section cannot be shown because its results are damaged: ${what}`] };
  }
}

function facts(page: PageData): string[] {
  const found = resultsOf(page, "fakequant.inspect/1").map(({ result }) =>
    `${result.architecture}, ${plural(result.layers, "layer")}, ${bytesText(result.file_size)}`);
  const layers = resultsOf(page, "fakequant.sweep/1").map(({ result }) => plural(result.layers, "layer"));
  const texts = [
    ...resultsOf(page, "fakequant.sweep/1").flatMap(({ result }) => result.texts.map((text) => text.text)),
    ...resultsOf(page, "fakequant.eval/1").flatMap(({ result }) => result.texts.map((text) => text.text)),
  ];
  const about = [...new Set(found.length > 0 ? found : layers)];
  if (texts.length > 0) about.push(`measured on ${[...new Set(texts.map(fileName))].join(", ")}`);
  return [...about, `fakequant ${page.version}`];
}

function show(page: PageData): void {
  const models = [...new Set(page.results.map(({ result }) => fileName(result.model)))];
  const title = `What rounding costs: ${models.join(", ")}`;
  document.title = title;
  const sections = kSections.map(([name, make]) => sectionOf(page, name, make)).filter((section) => section !== null);
  document.body.append(
    element("header", {},
      element("div", { class: "top" }, element("h1", {}, title), themeButton()),
      element("p", { class: "facts" }, facts(page).join(" · ")),
      element("nav", { "aria-label": "Contents" },
        ...sections.map((section) => element("a", { href: `#${section.id}` }, section.title)))),
    element("main", {}, ...sections.map(render)),
  );
}

const data = parsePrintable(document.getElementById("fakequant-data")?.textContent ?? "null") as PageData | null;
if (data === null) document.body.append(element("p", {}, "This page has no results: it is the template that fakequant report fills in."));
else show(data);
