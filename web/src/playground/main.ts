// The playground of `fakequant serve`: formats change while the model runs, and what that does is seen at once.
import "../style/page.css";
import "../style/table.css";
import "../style/chart.css";
import "../style/prompt.css";
import "../style/playground.css";
import { element } from "../element";
import { changeText, estimateText, percentText, plural, valueText } from "../numbers";
import { themeButton } from "../theme";
import { Conversation } from "./conversation";
import { History } from "./history";
import { RecipeBox } from "./recipe_box";
import { RuleRows } from "./rule_rows";
import { giveKey, modelFacts, ServerError, textOf, type Divergence, type ModelFacts } from "./server";
import { Session, type SessionView } from "./session";

// Some 150 tokens of several kinds.
const kText = `The lighthouse keeper climbed the stairs at dusk, as he had done every evening for thirty years. Far below, the
sea was grey and quiet. "There will be fog before midnight," he said to the cat, who did not answer.

Water boils at 100 degrees Celsius at sea level, but at a lower temperature on a mountain, because the air there presses
less on its surface. That is why it takes longer to cook an egg in the Alps.

def mean(values):
    return sum(values) / len(values)

1, 1, 2, 3, 5, 8, 13, 21, 34, 55
`;

function headline(divergence: Divergence): (Node | string)[] {
  const { tokens, text_tokens: all } = divergence;
  const measured = tokens < all ? `the first ${tokens} of ${plural(all, "token")}` : plural(tokens, "token");
  if (divergence.overflow) return [element("b", {}, "overflow"), " The variant’s logits are not numbers."];
  return [
    element("b", { id: "kld" }, estimateText(divergence.kld.value, divergence.kld.error)), " nats",
    element("span", { class: "soft" },
      `perplexity ${valueText(divergence.baseline_ppl.value)} → ${valueText(divergence.ppl.value)} `
      + `(${changeText(divergence.ppl_ratio.value)}) · same top token ${percentText(divergence.top1_agreement.value)} · `
      + measured),
  ];
}

const section = (id: string, title: string, ...content: Node[]): HTMLElement =>
  element("section", { id, "aria-labelledby": `${id}-title` }, element("h2", { id: `${id}-title` }, title), ...content);

function show(facts: ModelFacts): void {
  const status = element("p", { id: "status", role: "status", class: "soft small" });
  const progress = element("progress", { id: "progress", max: 1, hidden: "", "aria-label": "Rounding" });
  const fault = element("p", { class: "fault", id: "fault", role: "alert" });
  const figure = element("p", { id: "divergence", class: "headline", "aria-live": "polite" }, "…");
  const text = element("textarea", { id: "text", rows: 8, "aria-label": "The text that is measured on" });
  text.value = kText;

  const rows = new RuleRows(() => change({ rules: rows.rules() }), facts.layers, facts.formats);
  const recipe = new RecipeBox((chosen) => change({ recipe: chosen }), facts.recipes);
  const history = new History((rules) => {
    rows.show(rules);
    change({ rules: rows.rules() });
  });
  let isOthers = false; // the recipe that is applied came from elsewhere than the rows
  let rulesApplied: string | null = null;

  const view: SessionView = {
    applying: (done) => {
      progress.hidden = done === 0;
      progress.value = done;
      status.textContent = done > 0 ? `Rounding weights: ${Math.round(done * 100)} %` : "Changing the formats …";
    },
    applied: (variant) => {
      progress.hidden = true;
      if (isOthers) rows.show(variant.rules);
      rulesApplied = rows.rules().join("\n");
      recipe.show(variant.recipe);
      const rounded = variant.rounded_weights > 0 ? ` (${plural(variant.rounded_weights, "tensor")} rounded)` : "";
      status.textContent = `In effect after ${variant.seconds.toFixed(2)} s${rounded}.`;
    },
    measuring: () => figure.classList.add("stale"),
    measured: (found) => {
      figure.classList.remove("stale");
      figure.replaceChildren(...headline(found.divergence));
      history.add(found);
    },
    notMeasured: (why) => {
      figure.classList.remove("stale");
      fault.textContent = textOf(why);
    },
    failed: (why) => {
      progress.hidden = true;
      figure.classList.remove("stale");
      status.textContent = "Nothing was changed.";
      rulesApplied = null;
      const index = why instanceof ServerError ? /^rules\[(\d+)\]$/.exec(why.field ?? "")?.[1] : undefined;
      if (isOthers || index === undefined || !rows.say(Number(index), textOf(why))) fault.textContent = textOf(why);
    },
  };
  const session = new Session(view, () => text.value);
  const conversation = new Conversation(session, facts.has_chat_template);

  function change(wanted: { rules: string[] } | { recipe: string }): void {
    isOthers = "recipe" in wanted;
    if ("rules" in wanted && wanted.rules.join("\n") === rulesApplied) return;
    rows.clearFaults();
    fault.textContent = "";
    rulesApplied = "rules" in wanted ? wanted.rules.join("\n") : null;
    conversation.stop(); // its answer would be in two formats, and the change would wait for it
    void session.change(wanted);
  }
  text.addEventListener("change", () => {
    fault.textContent = "";
    history.clear();
    void session.measureAgain();
  });

  document.title = `fakequant playground: ${facts.model}`;
  document.body.replaceChildren(
    element("header", {},
      element("div", { class: "top" }, element("h1", {}, `Playground: ${facts.model}`), themeButton()),
      element("p", { class: "facts" },
        [plural(facts.layers, "layer"), `context of ${plural(facts.max_model_len, "token")}`, `${facts.arithmetic} arithmetic`].join(" · "))),
    element("main", { class: "playground" },
      element("div", {},
        section("formats", "Formats", rows.root, status, progress, fault),
        section("recipe-section", "Recipe", recipe.root)),
      element("div", {},
        section("measured", "KL divergence from the baseline", figure, history.root,
          element("details", {}, element("summary", {}, "The text that is measured on"), text)),
        section("conversation", facts.has_chat_template ? "Chat" : "Completion", conversation.root))),
  );
  change({ rules: [] });
}

// A server with a key answers nothing without it.
function askForKey(fault: string): void {
  const input = element("input", { id: "key", type: "password", autocomplete: "off", required: "" });
  const form = element("form", { class: "buttons" }, element("label", { for: "key" }, "API key"), input,
    element("button", { type: "submit" }, "Open"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    giveKey(input.value);
    void begin();
  });
  document.body.replaceChildren(element("h1", {}, "fakequant playground"), element("p", { role: "alert" }, fault), form);
  input.focus();
}

async function begin(): Promise<void> {
  try {
    show(await modelFacts());
  } catch (fault) {
    if (fault instanceof ServerError && fault.status === 401) askForKey(fault.message);
    else document.body.replaceChildren(element("p", { class: "fault", role: "alert" }, textOf(fault)));
  }
}

void themeButton(); // shows the theme before there is anything else
void begin();
