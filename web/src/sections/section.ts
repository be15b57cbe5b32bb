// A section of the page, with its heading for the list of contents.
import { element, type Child } from "../element";

export interface Section {
  id: string;
  title: string;
  content: Child[];
}

export function render(section: Section): HTMLElement {
  return element("section", { id: section.id }, element("h2", {}, section.title), ...section.content);
}

// A heading that says what the results are of, and their file, if the page has several of a kind.
export function origin(count: number, file: string, what: string): HTMLElement | null {
  return count > 1 ? element("h3", { class: "file" }, what, " ", element("small", {}, file)) : null;
}

// A unique id for each of several sections of a kind: "heat-3" for index 2.
export function numbered(id: string, index: number): string {
  return index === 0 ? id : `${id}-${index + 1}`;
}
