// Columns of tables for the quantities that variants are compared by.
import { valueOf, type Quantity, type Scores } from "./data/scores";
import type { Figure } from "./data/head";
import { changeText, estimateText, percentText } from "./numbers";
import type { Column } from "./table";

function titleOf(quantity: Quantity): string {
  if (quantity.form === "ratio") return "change of perplexity";
  return quantity.unit ? `${quantity.title}, ${quantity.unit}` : quantity.title;
}

function textOf(quantity: Quantity, value: Figure, error: Figure): string {
  switch (quantity.form) {
    case "number":
      return estimateText(value, error);
    case "ratio":
      return changeText(value);
    case "percent":
    case "signed_percent":
      return percentText(value);
  }
}

// A column for each compared quantity but those in `without`.
export function scoreColumns<Row extends Scores>(quantities: Quantity[], without: (keyof Scores)[] = []): Column<Row>[] {
  // The divergence first: a narrow screen shows the first columns.
  return quantities
    .filter((quantity) => quantity.compared && !(without as string[]).includes(quantity.name))
    .sort((a, b) => Number(b.name === "kld") - Number(a.name === "kld"))
    .map((quantity) => ({
      title: titleOf(quantity),
      value: (row: Row) => {
        const { value } = valueOf(row, quantity);
        return quantity.form === "ratio" && value !== null ? value - 1 : value;
      },
      text: (row: Row) => {
        const { value, error } = valueOf(row, quantity);
        return textOf(quantity, value, error);
      },
    }));
}
