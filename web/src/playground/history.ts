// What each change did to the divergence, the last first.
import { element } from "../element";
import { changeText, estimateText, percentText, valueText } from "../numbers";
import type { Measured } from "./session";

const kMost = 50; // rows

export class History {
  readonly root: HTMLElement;
  private readonly body = element("tbody");
  private count = 0;

  // `again` is called with the rules of a row that the user wants back.
  constructor(private readonly again: (rules: string[]) => void) {
    const head = ["", "rules", "KL divergence", "perplexity", "same top", "bits", ""];
    this.root = element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "History of changes" },
      element("table", { class: "history" },
        element("thead", {}, element("tr", {}, ...head.map((title, column) =>
          element("th", column > 1 && column < 6 ? { class: "number" } : {}, title)))),
        this.body));
  }

  add({ variant, divergence }: Measured): void {
    const number = (text: string): HTMLElement => element("td", { class: "number" }, text);
    const use = element("button", { type: "button", "aria-label": `Use the rules of change ${++this.count} again` }, "Use");
    use.addEventListener("click", () => this.again(variant.rules));
    const rules = variant.rules.length > 0 ? element("code", {}, variant.rules.join(" ")) : "none: the baseline";
    this.body.prepend(element("tr", {},
      element("td", {}, String(this.count)),
      element("td", { class: "rules-text" }, rules),
      number(divergence.overflow ? "overflow" : estimateText(divergence.kld.value, divergence.kld.error)),
      number(changeText(divergence.ppl_ratio.value)),
      number(percentText(divergence.top1_agreement.value)),
      number(valueText(variant.bits_per_weight)),
      element("td", {}, use)));
    while (this.body.rows.length > kMost) this.body.lastElementChild?.remove();
  }

  // Figures on another text cannot be compared.
  clear(): void {
    this.body.replaceChildren();
  }
}
