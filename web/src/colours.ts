// Colours by name: the style sheets say what they are in the light, in the dark and on paper.

export const kHeatSteps = 9;
const kSeries = 10;

// The step of a value on the way from the least to the most, by its logarithm.
export function heatStep(value: number, low: number, high: number): number {
  if (!(high > low)) return Math.floor(kHeatSteps / 2);
  const fraction = Math.log(value / low) / Math.log(high / low);
  return Math.min(kHeatSteps - 1, Math.max(0, Math.floor(fraction * kHeatSteps)));
}

export const heatFill = (step: number): string => `var(--heat-${step})`;
export const heatInk = (step: number): string => `var(--heat-ink-${step})`;
export const seriesColour = (index: number): string => `var(--series-${index % kSeries})`;

// Lines whose colours come again are dashed.
export const seriesDash = (index: number): string => (index < kSeries ? "none" : "5 3");
