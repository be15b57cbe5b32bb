// Light or dark, as the system has it until the reader chooses. Paper is always light: the style sheet sees to that.
import { element } from "./element";

type Theme = "light" | "dark";

const kDark = window.matchMedia("(prefers-color-scheme: dark)");
const system = (): Theme => (kDark.matches ? "dark" : "light");

function show(theme: Theme): void {
  document.documentElement.dataset["theme"] = theme;
}

export function themeButton(): HTMLButtonElement {
  let chosen: Theme | null = null;
  const button = element("button", { type: "button", class: "theme" });
  const update = (): void => {
    const theme = chosen ?? system();
    show(theme);
    button.textContent = theme === "dark" ? "☀ Light" : "☾ Dark";
    button.setAttribute("aria-label", theme === "dark" ? "Show the page light" : "Show the page dark");
  };
  button.addEventListener("click", () => {
    chosen = (chosen ?? system()) === "dark" ? "light" : "dark";
    update();
  });
  kDark.addEventListener("change", update);
  update();
  return button;
}
