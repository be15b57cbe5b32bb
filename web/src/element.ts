// Elements of the page. Text goes in as text: nothing that a model wrote can become markup.
export type Child = Node | string | null;

export interface Attributes {
  class?: string;
  id?: string;
  [name: string]: string | number | ((event: Event) => void) | undefined;
}

export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined) continue;
    if (typeof value === "function") made.addEventListener(name, value);
    else made.setAttribute(name, String(value));
  }
  made.append(...children.filter((child): child is Node | string => child !== null));
  return made;
}

export function paragraph(...children: Child[]): HTMLParagraphElement {
  return element("p", {}, ...children);
}

export function code(text: string): HTMLElement {
  return element("code", {}, text);
}
