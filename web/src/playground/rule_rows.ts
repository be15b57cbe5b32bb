// The panel of formats: a row for each group of sites, in the order of the rules, of which later ones win.
import { element } from "../element";

interface Group {
  name: string;
  selector: string;
  hasLayers: boolean;
}

const kGroups: Group[] = [
  { name: "Weights", selector: "w:matrices", hasLayers: true },
  { name: "Norm weights", selector: "w:norms", hasLayers: true },
  { name: "Embedding", selector: "w:embedding", hasLayers: false },
  { name: "Output weights", selector: "w:output", hasLayers: false },
  { name: "Inputs of products", selector: "a:in(*)", hasLayers: true },
  { name: "Residual stream", selector: "a:l_out", hasLayers: true },
  { name: "Cached keys", selector: "a:k_cache", hasLayers: true },
  { name: "Cached values", selector: "a:v_cache", hasLayers: true },
];

// Formats with options, as suggestions beside the names.
const kWithOptions = ["int4,per=block", "int8,per=row", "bf16,round=zero"];

interface Row {
  root: HTMLElement;
  rule(): string | null; // null: it says nothing yet
  say(fault: string): void;
}

// "w:ffn_up@0-4=int4,per=block" in its parts.
function partsOf(rule: string): { selector: string; layers: string; format: string } {
  const [pattern = "", ...rest] = rule.split("=");
  const [selector = "", ...layers] = pattern.split("@");
  return { selector, layers: layers.join("@"), format: rest.join("=") };
}

let made = 0; // rows, for ids

export class RuleRows {
  readonly root: HTMLElement;
  private readonly list = element("div", { class: "rules" });
  private readonly formats = element("datalist", { id: "formats" });
  private rows: Row[] = [];
  private sent: Row[] = []; // those of the rules that rules() gave last

  // `changed` is called when the user has changed a rule.
  constructor(private readonly changed: () => void, layers: number, formats: string[]) {
    for (const format of [...formats, ...kWithOptions]) this.formats.append(element("option", { value: format }));
    const add = element("button", { type: "button", id: "add-rule" }, "Add a rule");
    add.addEventListener("click", () => {
      const row = this.add({ selector: "", layers: "", format: "" });
      row.root.querySelector("input")?.focus();
    });
    const clear = element("button", { type: "button", id: "clear-rules" }, "Clear all");
    clear.addEventListener("click", () => {
      this.show([]);
      this.changed();
    });
    const form = element("form", {}, this.list, this.formats,
      element("p", { class: "buttons" }, element("button", { type: "submit", id: "apply" }, "Apply"), add, clear),
      element("p", { class: "soft small" },
        `A format, such as bf16 or int4,per=block, for a group of sites. Layers are 0-${layers - 1}; 0-4,10, first:5 or `
        + "last:5 name some. Of two rules for a site the lower one wins."));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.changed();
    });
    form.addEventListener("change", () => this.changed());
    this.root = form;
    this.show([]);
  }

  // These rules, in their order, and a row for each group that has none.
  show(rules: string[]): void {
    this.rows = [];
    this.list.replaceChildren();
    const shown = rules.map(partsOf);
    for (const parts of shown) this.add(parts);
    for (const { selector } of kGroups) {
      if (!shown.some((parts) => parts.selector === selector)) this.add({ selector, layers: "", format: "" });
    }
  }

  rules(): string[] {
    this.sent = this.rows.filter((row) => row.rule() !== null);
    return this.sent.map((row) => row.rule() ?? "");
  }

  // Shows what is wrong with the rule of this index among those that rules() gave; returns whether there is such a one.
  say(index: number, fault: string): boolean {
    const row = this.sent[index];
    row?.say(fault);
    return row !== undefined;
  }

  clearFaults(): void {
    for (const row of this.rows) row.say("");
  }

  private add(parts: { selector: string; layers: string; format: string }): Row {
    const id = `rule-${++made}`;
    const group = kGroups.find(({ selector }) => selector === parts.selector);
    const field = (name: string, label: string, value: string, placeholder: string): HTMLInputElement => {
      const input = element("input", {
        id: `${id}-${name}`, class: name, "aria-label": label, placeholder, spellcheck: "false", autocomplete: "off",
        autocapitalize: "off", "aria-describedby": `${id}-fault`,
      });
      input.value = value;
      return input;
    };
    const of = group?.name ?? "this rule";
    const selector = group ? null : field("selector", "Sites", parts.selector, "w:ffn_down");
    const format = field("format", `Format of ${of}`, parts.format, "as it is");
    format.setAttribute("list", "formats");
    const layers = group && !group.hasLayers ? null : field("layers", `Layers of ${of}`, parts.layers, "all layers");
    const fault = element("p", { class: "fault", id: `${id}-fault`, role: "alert" });
    const root = element("div", { class: "rule" },
      group ? element("label", { for: format.id }, group.name, " ", element("code", {}, group.selector)) : selector,
      format, layers, fault);
    const row: Row = {
      root,
      rule: () => {
        const sites = group?.selector ?? selector?.value.trim() ?? "";
        const where = layers?.value.trim().replace(/^@/, "") ?? "";
        const what = format.value.trim();
        if (sites === "" || what === "") return null;
        return `${sites}${where === "" ? "" : `@${where}`}=${what}`;
      },
      say: (text) => {
        fault.textContent = text;
        format.toggleAttribute("aria-invalid", text !== "");
      },
    };
    root.dataset["selector"] = parts.selector;
    this.rows.push(row);
    this.list.append(root);
    return row;
  }
}
