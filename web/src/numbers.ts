// How numbers are written for people.
import type { Figure } from "./data/head";

const kNone = "–";

// A number with `digits` significant digits, with an exponent only if it is very small or large: 0.0012, 3.2e-5, 41.
export function valueText(value: Figure, digits = 3): string {
  if (value === null || !Number.isFinite(value)) return kNone;
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) return value.toExponential(digits - 1).replace("e+", "e");
  return String(Number(value.toPrecision(digits)));
}

// With digits up to the second of the error: 0.00123 ± 0.00011.
export function estimateText(value: Figure, error: Figure): string {
  if (value === null) return kNone;
  if (error === null || !(error > 0)) return valueText(value);
  if (Math.abs(value) > 0 && Math.abs(value) < 1e-3) {
    const power = Math.floor(Math.log10(Math.abs(value)));
    const digits = decimals(error / 10 ** power);
    return `(${(value / 10 ** power).toFixed(digits)} ± ${(error / 10 ** power).toFixed(digits)})e${power}`;
  }
  const digits = decimals(error);
  return `${value.toFixed(digits)} ± ${error.toFixed(digits)}`;
}

// Decimal places that show two digits of an error.
function decimals(error: number): number {
  return Math.min(10, Math.max(0, 1 - Math.floor(Math.log10(error))));
}

export function percentText(fraction: Figure, digits = 3): string {
  if (fraction === null || !Number.isFinite(fraction)) return kNone;
  const percent = fraction * 100;
  // A value below 100 % is never shown as 100 %.
  for (let more = digits; more < 9; ++more) {
    const text = Number(percent.toPrecision(more));
    if (Math.abs(text) !== 100 || Math.abs(percent) === 100) return `${text} %`;
  }
  return `${percent} %`;
}

// A ratio as its difference from 1: "+1.2 %".
export function changeText(ratio: Figure): string {
  if (ratio === null || !Number.isFinite(ratio)) return kNone;
  const text = percentText(ratio - 1);
  return ratio > 1 ? `+${text}` : text.replace("-", "−");
}

export function countText(count: number): string {
  return count.toLocaleString("en-US");
}

export function bytesText(bytes: number): string {
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 1000 && unit + 1 < units.length) {
    bytes /= 1000;
    ++unit;
  }
  return `${unit === 0 ? bytes : bytes.toPrecision(3)} ${units[unit]}`;
}

export function plural(count: number, noun: string): string {
  return `${countText(count)} ${noun}${count === 1 ? "" : "s"}`;
}

// "3 prompts", "a, b and c".
export function listText(parts: string[]): string {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts[parts.length - 1]}`;
}

// The last part of a path.
export function fileName(path: string): string {
  return path.split("/").filter(Boolean).pop() ?? path;
}
