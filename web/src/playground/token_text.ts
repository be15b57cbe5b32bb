// An answer as its tokens, coloured by how far the variant's prediction is from the baseline's. Pointing at a token, a
// tap, or the arrow keys show what else both sides thought likely there.
import { heatFill, heatInk, heatStep, kHeatSteps } from "../colours";
import { element } from "../element";
import { percentText, valueText } from "../numbers";
import type { Piece } from "./server";

const kLeast = 1e-3; // nats; below, a token has no colour
const kMost = 10;

function colour(target: HTMLElement, kld: number | null | undefined): void {
  if (kld === undefined || kld === null || kld < kLeast) return;
  const step = heatStep(kld, kLeast, kMost);
  target.dataset["step"] = String(step);
  target.style.background = heatFill(step);
  target.style.color = heatInk(step);
}

export function heatLegend(): HTMLElement {
  const steps = Array.from({ length: kHeatSteps }, (_, step) => element("i", { style: `background:${heatFill(step)}` }));
  return element("p", { class: "legend", id: "heat-legend" }, "KL divergence of the variant’s tokens, nats:",
    element("span", {}, String(kLeast), element("span", { class: "heat-scale" }, ...steps), String(kMost)));
}

const visible = (token: string): string => token.replaceAll("\n", "⏎").replaceAll("\t", "⇥").replaceAll(" ", "␣");

function details(piece: Piece): HTMLElement {
  const row = (token: string, baseline: number | null, variant: number | null): HTMLElement =>
    element("tr", token === piece.token ? { class: "came" } : {},
      element("td", {}, element("code", {}, visible(token))),
      element("td", { class: "number" }, percentText(baseline)), element("td", { class: "number" }, percentText(variant)));
  const alternatives = piece.alternatives ?? [];
  const isListed = alternatives.some(({ token }) => token === piece.token);
  return element("div", {},
    element("p", {}, "KL divergence ", element("b", {}, valueText(piece.kld ?? null)), " nats"),
    element("table", {},
      element("thead", {}, element("tr", {}, element("th", {}, "token"), element("th", { class: "number" }, "baseline"),
        element("th", { class: "number" }, "variant"))),
      element("tbody", {},
        ...alternatives.map(({ token, baseline, variant }) => row(token, baseline, variant)),
        isListed ? null : row(piece.token ?? "", piece.baseline ?? null, piece.variant ?? null))));
}

// One for the page.
const tip = element("div", { class: "tip", id: "token-tip", role: "tooltip", hidden: "" });
let shownFor: HTMLElement | null = null;

function hideTip(): void {
  tip.hidden = true;
  shownFor?.removeAttribute("aria-describedby");
  shownFor = null;
}

function showTip(token: HTMLElement, piece: Piece): void {
  if (shownFor === token) return;
  hideTip();
  if (!tip.isConnected) document.body.append(tip);
  tip.replaceChildren(details(piece));
  tip.hidden = false;
  token.setAttribute("aria-describedby", tip.id);
  shownFor = token;
  const box = token.getClientRects()[0] ?? token.getBoundingClientRect();
  const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
  tip.style.left = `${Math.max(8, Math.min(box.left, room)) + window.scrollX}px`;
  const isBelow = box.bottom + tip.offsetHeight + 8 < window.innerHeight || box.top < tip.offsetHeight + 8;
  tip.style.top = `${(isBelow ? box.bottom + 6 : box.top - tip.offsetHeight - 6) + window.scrollY}px`;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hideTip();
});
let width = window.innerWidth;
window.addEventListener("resize", () => {
  if (width !== window.innerWidth) hideTip(); // what it points at has moved
  width = window.innerWidth;
});
document.addEventListener("pointerdown", (event) => {
  if (event.target instanceof Node && !tip.contains(event.target) && event.target !== shownFor) hideTip();
});

export class TokenText {
  readonly root = element("div", { class: "tokens", role: "group", "aria-label": "The variant’s tokens; arrow keys move between them" });
  private sum = 0;
  private count = 0;
  private same = 0;

  add(piece: Piece): void {
    if (piece.token === undefined) {
      if (piece.text) this.root.append(piece.text);
      return;
    }
    const isEnd = piece.text === "" && !piece.token.startsWith("bytes:");
    const token = element("span", { class: isEnd ? "token end" : "token", tabindex: this.count === 0 ? 0 : -1 },
      isEnd ? "∎" : piece.text);
    colour(token, piece.kld);
    ++this.count;
    this.sum += piece.kld ?? NaN;
    const likeliest = [...(piece.alternatives ?? [])].sort((a, b) => (b.baseline ?? 0) - (a.baseline ?? 0))[0];
    if (likeliest?.token === piece.token) ++this.same;
    const show = (): void => showTip(token, piece);
    token.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && show());
    token.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && document.activeElement !== token && hideTip());
    token.addEventListener("click", show);
    token.addEventListener("focus", show);
    token.addEventListener("blur", hideTip);
    token.addEventListener("keydown", (event) => this.move(event, token));
    this.root.append(token);
  }

  summary(): string {
    if (this.count === 0) return "";
    return `mean KL divergence ${valueText(this.sum / this.count)} nats; ${percentText(this.same / this.count)} of `
      + `${this.count} tokens are the baseline’s likeliest there`;
  }

  private move(event: KeyboardEvent, from: HTMLElement): void {
    const tokens = [...this.root.querySelectorAll<HTMLElement>(".token")];
    const at = tokens.indexOf(from);
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: tokens.length - 1 }[event.key];
    const target = to === undefined ? undefined : tokens[to];
    if (to !== undefined) event.preventDefault();
    if (!target) return;
    from.tabIndex = -1;
    target.tabIndex = 0;
    target.focus();
  }
}
