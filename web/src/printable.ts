// Texts from files and models as they may be shown. What no text shows: control characters but new lines and tabs, and the
// format characters of Unicode that change directions or have no width, as in the program's own report/printable_text.cc.
const kUnprintable = new RegExp(
  "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff" +
    "\\ufff9-\\ufffb\\u{e0000}-\\u{e007f}]",
  "gu",
);

export function printable(text: string): string {
  return text.replace(kUnprintable, "\ufffd");
}

// A value of JSON, all of whose texts can be shown.
export function parsePrintable(json: string): unknown {
  return JSON.parse(json, (_, value: unknown) => (typeof value === "string" ? printable(value) : value));
}
