// The recipe of the variant, to be copied and kept as a file, and other recipes to begin from.
import { copyButton } from "../copy";
import { element } from "../element";

export class RecipeBox {
  readonly root: HTMLElement;
  private readonly text = element("pre", { id: "recipe", tabindex: 0, "aria-label": "Recipe" });

  // `chosen` is called with a recipe that the user wants to begin from: its text, or "@NAME".
  constructor(chosen: (recipe: string) => void, recipes: string[]) {
    const save = element("button", { type: "button", id: "save-recipe" }, "Save as a file");
    save.addEventListener("click", () => this.save());
    const select = element("select", { id: "builtin", "aria-label": "A recipe that comes with fakequant" },
      element("option", { value: "" }, "Begin from a recipe …"),
      ...recipes.map((name) => element("option", { value: `@${name}` }, name)));
    select.addEventListener("change", () => {
      if (select.value) chosen(select.value);
      select.value = "";
    });
    const file = element("input", { type: "file", id: "recipe-file", accept: ".yaml,.yml,text/yaml", class: "aside" });
    file.addEventListener("change", () => {
      const [picked] = file.files ?? [];
      if (picked) void picked.text().then(chosen);
      file.value = "";
    });
    const open = element("button", { type: "button", id: "open-recipe" }, "Open a file");
    open.addEventListener("click", () => file.click());
    file.tabIndex = -1;
    this.root = element("div", { class: "command" }, this.text,
      element("p", { class: "buttons" }, copyButton("Copy", () => this.text.textContent ?? ""), save, open, file, select));
  }

  show(recipe: string): void {
    this.text.textContent = recipe;
  }

  private save(): void {
    const url = URL.createObjectURL(new Blob([this.text.textContent ?? ""], { type: "text/yaml" }));
    element("a", { href: url, download: "recipe.yaml" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }
}
