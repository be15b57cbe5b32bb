// Questions, and both sides' answers beside each other as they are written.
import { element } from "../element";
import { ask, isAborted, textOf, type Message, type Piece, type Question } from "./server";
import type { Session } from "./session";
import { heatLegend, TokenText } from "./token_text";

// A number of the form, held within its limits.
function numberField(id: string, label: string, value: number, min: number, max: number, step: number | "any"): {
  root: HTMLElement;
  value(): number;
} {
  const input = element("input", { id, type: "number", min, max, step, value, inputmode: "decimal" });
  return {
    root: element("label", { for: id }, label, " ", input),
    value: () => {
      const given = Number.isFinite(input.valueAsNumber) ? input.valueAsNumber : value;
      return Math.min(max, Math.max(min, given));
    },
  };
}

// One question with both answers.
class Turn {
  readonly root: HTMLElement;
  readonly answers = { baseline: "", variant: "" };
  private readonly baseline = element("div", { class: "tokens" });
  private readonly variant = new TokenText();
  private readonly ends = {
    baseline: element("p", { class: "soft small" }),
    variant: element("p", { class: "soft small" }),
  };

  constructor(readonly question: string) {
    const panel = (title: string, text: HTMLElement, end: HTMLElement): HTMLElement =>
      element("div", { class: `panel ${title}` }, element("h3", {}, title), text, end);
    this.root = element("article", { class: "prompt turn", "aria-busy": "true" },
      element("pre", { class: "asked" }, question),
      element("div", { class: "pair" }, panel("baseline", this.baseline, this.ends.baseline),
        panel("variant", this.variant.root, this.ends.variant)));
  }

  add(piece: Piece): void {
    this.answers[piece.side] += piece.text;
    if (piece.side === "baseline") this.baseline.append(piece.text);
    else this.variant.add(piece);
    const how = { stop: "ended", length: "cut off at the limit", overflow: "the logits overflowed" }[piece.finish_reason ?? ""];
    if (how) this.ends[piece.side].textContent = how;
  }

  end(fault: string | null): void {
    this.root.removeAttribute("aria-busy");
    const summary = this.variant.summary();
    const end = this.ends.variant;
    if (summary) end.textContent = [end.textContent, summary].filter(Boolean).join(" · ");
    if (fault) this.root.append(element("p", { class: "fault", role: "alert" }, fault));
  }
}

export class Conversation {
  readonly root: HTMLElement;
  private readonly turns: Turn[] = [];
  private readonly list = element("div", { class: "turns", role: "log", "aria-label": "Answers" });
  private readonly input: HTMLTextAreaElement;
  private readonly button = element("button", { type: "submit", id: "send" }, "Send");
  private readonly limit = numberField("max-tokens", "Tokens", 100, 1, 4096, 1);
  private readonly temperature = numberField("temperature", "Temperature", 0, 0, 5, "any");
  private readonly seed = numberField("seed", "Seed", 1, 0, 2 ** 31 - 1, 1);
  private running: AbortController | null = null;

  constructor(private readonly session: Session, private readonly isChat: boolean) {
    this.input = element("textarea", {
      id: "question", rows: 3, "aria-label": isChat ? "Message" : "Text to continue",
      placeholder: isChat ? "Say something to both" : "A text for both to continue",
    });
    const clear = element("button", { type: "button", id: "clear-turns" }, isChat ? "New chat" : "Clear");
    clear.addEventListener("click", () => this.clear());
    const form = element("form", { class: "ask" }, this.input,
      element("div", { class: "buttons" }, this.button, clear, this.limit.root, this.temperature.root, this.seed.root));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.running) this.stop();
      else void this.send();
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      if (!this.running) void this.send();
    });
    this.root = element("div", {}, heatLegend(), this.list, form,
      element("p", { class: "soft small" }, "Enter sends, Shift+Enter begins a line. Both are given the same seed. ",
        isChat ? "Each side remembers its own answers." : "The model has no chat template: it continues the text."));
  }

  stop(): void {
    this.running?.abort();
  }

  private clear(): void {
    this.stop();
    this.turns.length = 0;
    this.list.replaceChildren();
    this.input.focus();
  }

  private async send(): Promise<void> {
    const text = this.input.value;
    if (text.trim() === "") return;
    const question = this.questionOf(text);
    const turn = new Turn(text);
    this.turns.push(turn);
    this.list.append(turn.root);
    this.input.value = "";
    this.button.textContent = "Stop";
    const controller = new AbortController();
    this.running = controller;
    let fault: string | null = null;
    try {
      const sampling = { max_tokens: this.limit.value(), temperature: this.temperature.value(), seed: this.seed.value() };
      await this.session.using(controller.signal, (variant) =>
        ask(variant.id, question, sampling, controller.signal, (piece) => turn.add(piece)));
    } catch (why) {
      fault = isAborted(why) ? "stopped" : textOf(why);
    }
    turn.end(fault);
    this.running = null;
    this.button.textContent = "Send";
  }

  private questionOf(text: string): Question {
    if (!this.isChat) return { prompt: text };
    const history = (side: "baseline" | "variant"): Message[] => [
      ...this.turns.flatMap((turn) => [
        { role: "user", content: turn.question },
        { role: "assistant", content: turn.answers[side] },
      ]),
      { role: "user", content: text },
    ];
    return { messages: history("baseline"), variant_messages: history("variant") };
  }
}
