/** `90s` is `1m30s`: as one writes it in a table test. @param ms after the start */
export function offsetText(ms: number): string {
  if (ms === 0) return '0s';
  const parts: string[] = [];
  let left = Math.abs(ms);
  for (const [unit, size] of [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
    ['ms', 1],
  ] as const) {
    const count = Math.floor(left / size);
    if (count > 0) parts.push(`${count}${unit}`);
    left -= count * size;
  }
  return `${ms < 0 ? '-' : ''}${parts.join('')}`;
}
