// Tables that are sorted by a click on a header, and copied as tab-separated text with all rows and digits.
import { copyButton } from "./copy";
import { element } from "./element";
import { plural } from "./numbers";

export type Value = string | number | null;

export interface Column<Row> {
  title: string;
  value: (row: Row) => Value; // sorted and copied
  text?: (row: Row) => string; // shown instead of the value
  code?: boolean;
}

type Direction = "ascending" | "descending";

const kByWords = new Intl.Collator("en", { numeric: true });

// Missing values come last in either direction.
function compare(a: Value, b: Value, direction: Direction): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  const order = typeof a === "number" && typeof b === "number" ? a - b : kByWords.compare(String(a), String(b));
  return direction === "ascending" ? order : -order;
}

function tabSeparated<Row>(columns: Column<Row>[], rows: Row[]): string {
  const line = (values: Value[]): string => values.map((v) => String(v ?? "").replace(/[\t\r\n]+/g, " ")).join("\t");
  return [line(columns.map((column) => column.title)), ...rows.map((row) => line(columns.map((c) => c.value(row))))]
    .map((text) => text + "\n")
    .join("");
}

// Shows `first` rows until the reader asks for all.
export function table<Row>(caption: string, columns: Column<Row>[], rows: Row[], first = 12): HTMLElement {
  let sorted = [...rows];
  let isWhole = rows.length <= first + 3;
  const isNumber = columns.map((column) => rows.every((row) => typeof column.value(row) !== "string"));
  const body = element("tbody");

  function cell(column: Column<Row>, row: Row, numeric: boolean): HTMLElement {
    const shown = column.text ? column.text(row) : String(column.value(row) ?? "–");
    return element("td", numeric ? { class: "number" } : {}, column.code ? element("code", {}, shown) : shown);
  }
  function fill(): void {
    const shown = isWhole ? sorted : sorted.slice(0, first);
    body.replaceChildren(
      ...shown.map((row) =>
        element("tr", {}, ...columns.map((column, index) => cell(column, row, isNumber[index] ?? false))),
      ),
    );
  }

  const headers = columns.map((column, index) => {
    const header = element("th", { scope: "col", "data-title": column.title, ...(isNumber[index] ? { class: "number" } : {}) });
    const sort = (): void => {
      const before = header.getAttribute("aria-sort");
      const direction: Direction = before ? (before === "ascending" ? "descending" : "ascending")
        : isNumber[index] ? "descending" : "ascending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", direction);
      sorted = [...rows].sort((a, b) => compare(column.value(a), column.value(b), direction));
      fill();
    };
    header.append(element("button", { type: "button", click: sort }, column.title));
    return header;
  });

  const tools = element("div", { class: "tools" }, element("span", { class: "caption" }, caption));
  if (!isWhole) {
    const more = element("button", { type: "button" }, `Show all ${plural(rows.length, "row")}`);
    more.addEventListener("click", () => {
      isWhole = !isWhole;
      more.textContent = isWhole ? `Show ${first} rows` : `Show all ${plural(rows.length, "row")}`;
      fill();
    });
    tools.append(more);
  }
  tools.append(copyButton("Copy table", () => tabSeparated(columns, sorted)));
  fill();
  return element(
    "div",
    { class: "table" },
    tools,
    element("div", { class: "scroll" },
      element("table", { "aria-label": caption }, element("thead", {}, element("tr", {}, ...headers)), body)),
  );
}
