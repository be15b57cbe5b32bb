// A chart with its title and an explanation below it.
import { element, type Child } from "./element";

// `kind` names the chart, for style and tests.
export function figure(kind: string, title: string, chart: Element, ...explanation: Child[]): HTMLElement {
  chart.setAttribute("role", "img");
  chart.setAttribute("aria-label", title);
  return element(
    "figure",
    { class: `chart ${kind}`, "data-chart": kind },
    element("h4", {}, title),
    element("div", { class: "scroll" }, chart),
    explanation.length > 0 ? element("figcaption", {}, ...explanation) : null,
  );
}

// A legend of line colours.
export function legend(entries: { name: string; colour: string }[]): HTMLElement {
  return element(
    "div",
    { class: "legend" },
    ...entries.map(({ name, colour }) =>
      element("span", {}, element("i", { style: `background:${colour}` }), name),
    ),
  );
}
