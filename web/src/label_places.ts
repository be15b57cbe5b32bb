// Labels at the ends of lines, moved apart where they would lie on each other.

// The wanted places, from small to large in any order, at least `apart` from each other, and inside `low` to `high` as
// far as there is room.
export function labelPlaces(wanted: number[], apart: number, low: number, high: number): number[] {
  const order = wanted.map((_, index) => index).sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0));
  const places = order.map((index) => wanted[index] ?? 0);
  for (let round = 0; round < 100; ++round) {
    let moved = false;
    for (let i = 1; i < places.length; ++i) {
      const gap = apart - ((places[i] ?? 0) - (places[i - 1] ?? 0));
      if (gap <= 0.01) continue;
      places[i - 1] = (places[i - 1] ?? 0) - gap / 2;
      places[i] = (places[i] ?? 0) + gap / 2;
      moved = true;
    }
    const above = low - (places[0] ?? low);
    const below = (places[places.length - 1] ?? high) - high;
    if (above > 0) places[0] = low;
    if (below > 0) places[places.length - 1] = high;
    if (!moved) break;
  }
  const result: number[] = [];
  order.forEach((index, i) => (result[index] = places[i] ?? 0));
  return result;
}
