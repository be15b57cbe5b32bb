// Text to the clipboard, also where a browser gives pages opened from a disk no clipboard of the newer kind.
import { element } from "./element";

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = element("textarea", { class: "aside" });
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

// A button that copies what `text` gives, and says whether it could.
export function copyButton(label: string, text: () => string): HTMLButtonElement {
  const button = element("button", { type: "button", class: "copy" }, label);
  button.addEventListener("click", () => {
    void copyText(text()).then((done) => {
      button.textContent = done ? "Copied" : "Not copied: the browser refuses";
      setTimeout(() => (button.textContent = label), 2000);
    });
  });
  return button;
}
