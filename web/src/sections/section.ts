// A part of the page: its heading, and what stands in the list of contents.
import { element, type Child } from "../element";

export interface Section {
  id: string;
  title: string;
  content: Child[];
}

export function render(section: Section): HTMLElement {
  return element("section", { id: section.id }, element("h2", {}, section.title), ...section.content);
}

// Where results came from, where a page has several of a kind.
export function origin(count: number, file: string): HTMLElement | null {
  return count > 1 ? element("h3", { class: "file" }, file) : null;
}

// "heat" and 2: ids that differ where a page has several of a kind.
export function numbered(id: string, index: number): string {
  return index === 0 ? id : `${id}-${index + 1}`;
}
