// A study as the page shows it: by site, with the least harmful formats first.
import type { SweepResult, SweepVariant } from "./data/sweep";
import { kStandardErrors } from "./interval";

// A variant whose divergence is known: measured, or else predicted.
export interface Measured extends SweepVariant {
  name: string; // of its format, and how quantized weights are stored
  mean: number;
  isPredicted: boolean;
  isShort: boolean; // measured on fewer chunks than others: its figure is over less text
}

export interface Site {
  site: string;
  byLayer: (Measured & { layer: number })[];
  whole: Measured[]; // all layers of the site at once
}

export interface Study {
  formats: string[]; // the least harmful first
  sites: Site[];
  variants: Measured[];
  overflowed: SweepVariant[]; // without figures
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

export function studyOf(sweep: SweepResult): Study {
  const variants: Measured[] = [];
  const most = Math.max(0, ...sweep.variants.map((variant) => variant.chunks));
  for (const variant of sweep.variants) {
    const predicted = variant.kld.mean === null && !variant.overflow ? (variant.predicted ?? null) : null;
    const mean = variant.kld.mean ?? predicted?.kld ?? null;
    if (mean === null) continue;
    const name = variant.storage ? `${variant.format} (${variant.storage})` : variant.format;
    const kld = predicted ? { mean, error: (predicted.high - predicted.low) / (2 * kStandardErrors) } : variant.kld;
    variants.push({ ...variant, kld, name, mean, isPredicted: predicted !== null, isShort: !predicted && variant.chunks < most });
  }
  const harm = new Map<string, number>();
  for (const name of new Set(variants.map((variant) => variant.name))) {
    harm.set(name, median(variants.filter((variant) => variant.name === name).map((variant) => variant.mean)));
  }
  const sites = [...new Set(variants.map((variant) => variant.site))].map((site): Site => {
    const own = variants.filter((variant) => variant.site === site);
    const byLayer = own.filter((variant): variant is Measured & { layer: number } => variant.layer !== null);
    return { site, byLayer, whole: own.filter((variant) => variant.layer === null) };
  });
  return { formats: [...harm.keys()].sort((a, b) => (harm.get(a) ?? 0) - (harm.get(b) ?? 0)), sites, variants,
    overflowed: sweep.variants.filter((variant) => variant.overflow) };
}

// A site in words: "weights ffn_down".
export function siteInWords(site: string): string {
  const [kind, name] = [site.slice(0, 1), site.slice(2)];
  return kind === "w" ? `weights ${name}` : kind === "a" ? `activations ${name}` : site;
}
