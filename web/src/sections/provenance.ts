// The commands, versions and machine of the measurements.
import { resultsOf, type PageData } from "../data/page";
import { code, element, paragraph } from "../element";
import { plural } from "../numbers";
import type { Section } from "./section";

export function provenance(page: PageData): Section {
  const versions = new Set(page.results.map(({ result }) => `fakequant ${result.version}, back ends: ${(result.backends ?? []).join(", ") || "none used"}`));
  const commands = new Map<string, string[]>();
  for (const { file, result } of page.results) {
    if (result.command) commands.set(result.command, [...(commands.get(result.command) ?? []), file]);
  }
  return {
    id: "provenance",
    title: "How it was measured",
    content: [
      ...resultsOf(page, "fakequant.environment/1").map(({ result }) =>
        paragraph(`On ${result.cpu} (${plural(result.cores, "core")}, ${result.system}), ${plural(result.threads, "thread")}; ${result.engine}.`)),
      element("ul", {}, ...[...versions].map((version) => element("li", {}, version))),
      ...[...commands].map(([command, files]) =>
        element("div", { class: "command" }, element("pre", {}, command), element("p", { class: "soft" }, files.join(", ")))),
      paragraph("This page was made from ", code(page.source), " by ", code(page.command), "."),
      page.left_out.length === 0 ? null : element("div", {}, paragraph("Not shown:"),
        element("ul", {}, ...page.left_out.map(({ file, why }) => element("li", {}, code(file), `: ${why}`)))),
    ],
  };
}
