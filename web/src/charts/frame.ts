// What all charts share: letters of a size that can be read, and the page's colours.
import type { PlotOptions } from "@observablehq/plot";

export const kFrame = {
  style: { background: "none", fontSize: "12px", fontFamily: "inherit", overflow: "visible" },
} satisfies PlotOptions;

export const kGrid = { stroke: "var(--grid)", strokeOpacity: 1 };
export const kTip = { fill: "var(--card)", stroke: "var(--edge)", fontSize: 12, lineHeight: 1.35, maxRadius: 40 };

// About how wide a text is, in pixels.
export const textWidth = (text: string): number => text.length * 7;
export const widest = (texts: string[]): number => Math.max(0, ...texts.map(textWidth));
