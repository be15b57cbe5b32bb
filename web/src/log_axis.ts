// The ranges and ticks of logarithmic axes.

export interface LogRange {
  low: number;
  high: number;
}

// The range of the values above zero, with a margin; at least half a power of ten. Null if there are none.
export function logRange(values: Iterable<number | null>): LogRange | null {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === null || !(value > 0) || !Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return null;
  const room = Math.max(0.06 * Math.log10(high / low), (0.5 - Math.log10(high / low)) / 2);
  return { low: low / 10 ** room, high: high * 10 ** room };
}

// Powers of ten in the range: fewer if there are many, and their multiples of two and five if there are few.
export function logTicks({ low, high }: LogRange): number[] {
  const first = Math.ceil(Math.log10(low));
  const last = Math.floor(Math.log10(high));
  const step = Math.max(1, Math.ceil((last - first + 1) / 8));
  const ticks: number[] = [];
  if (last - first < 2) {
    for (let power = first - 1; power <= last; ++power) {
      for (const factor of [1, 2, 5]) ticks.push(Number(`${factor}e${power}`));
    }
  } else {
    for (let power = first; power <= last; power += step) ticks.push(Number(`1e${power}`));
  }
  return ticks.filter((tick) => tick >= low && tick <= high);
}

const kSuperscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹";

// "10⁻⁵", "2·10⁻⁵"; plain between 0.001 and 1000.
export function logTickText(tick: number): string {
  if (tick >= 0.001 && tick <= 1000) return String(tick);
  const [factor, power] = tick.toExponential(0).split("e");
  const raised = [...String(Number(power))].map((c) => (c === "-" ? "⁻" : (kSuperscripts[Number(c)] ?? c))).join("");
  return factor === "1" ? `10${raised}` : `${factor}·10${raised}`;
}
