// 95 % intervals of a mean, from its standard error.
import type { Figure } from "./data/head";

export const kStandardErrors = 1.96; // from the mean to an end of the interval

export interface Interval {
  low: number;
  high: number;
}

export function interval(mean: Figure, error: Figure): Interval {
  const value = mean ?? NaN;
  const reach = kStandardErrors * (error ?? 0);
  return { low: value - reach, high: value + reach };
}

// The same for a quantity that cannot be below zero. The lower end is as many standard errors away on a logarithmic scale,
// so it is above zero wherever the mean is.
export function intervalFromZero(mean: Figure, error: Figure): Interval {
  const { high } = interval(mean, error);
  if (mean === null || !(mean > 0)) return { low: 0, high };
  return { low: mean * Math.exp((-kStandardErrors * (error ?? 0)) / mean), high };
}
