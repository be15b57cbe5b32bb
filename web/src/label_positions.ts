// Moves labels at the ends of lines apart where they would overlap.

// Positions close to the wanted ones (in any order), at least `apart` from each other, and between `low` and `high` as far
// as there is room.
export function labelPositions(wanted: number[], apart: number, low: number, high: number): number[] {
  const order = wanted.map((_, index) => index).sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0));
  const positions = order.map((index) => wanted[index] ?? 0);
  for (let round = 0; round < 100; ++round) {
    let moved = false;
    for (let i = 1; i < positions.length; ++i) {
      const gap = apart - ((positions[i] ?? 0) - (positions[i - 1] ?? 0));
      if (gap <= 0.01) continue;
      positions[i - 1] = (positions[i - 1] ?? 0) - gap / 2;
      positions[i] = (positions[i] ?? 0) + gap / 2;
      moved = true;
    }
    const above = low - (positions[0] ?? low);
    const below = (positions[positions.length - 1] ?? high) - high;
    if (above > 0) positions[0] = low;
    if (below > 0) positions[positions.length - 1] = high;
    if (!moved) break;
  }
  const result: number[] = [];
  order.forEach((index, i) => (result[index] = positions[i] ?? 0));
  return result;
}
