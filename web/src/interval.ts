// 95 % intervals of a mean, from its standard error.
import type { Figure } from "./data/head";

const kStandardErrors = 1.96;

export interface Interval {
  low: number;
  high: number;
}

export function interval(mean: Figure, error: Figure): Interval {
  const value = mean ?? NaN;
  const reach = kStandardErrors * (error ?? 0);
  return { low: value - reach, high: value + reach };
}

// The same for a quantity that cannot be below zero.
export function intervalFromZero(mean: Figure, error: Figure): Interval {
  const { low, high } = interval(mean, error);
  return { low: Math.max(0, low), high };
}
