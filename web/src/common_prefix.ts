// How far two texts are alike, in whole characters as people see them.
const kCharacters = new Intl.Segmenter(undefined, { granularity: "grapheme" });

export function commonPrefix(a: string, b: string): number {
  const others = kCharacters.segment(b)[Symbol.iterator]();
  let length = 0;
  for (const { segment } of kCharacters.segment(a)) {
    const other = others.next();
    if (other.done || other.value.segment !== segment) break;
    length += segment.length;
  }
  return length;
}
