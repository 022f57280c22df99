/** A scenario of `npm run bench`. */
export interface Bench {
  /** What it does and what its figures mean, honestly; shown by `--help`. */
  help: string;
  /** Of load, without start and end; the whole stays under 60 s. */
  secondsDefault: number;
  run(options: BenchOptions): Promise<Metrics>;
}

export interface BenchOptions {
  seconds: number;
  /** Progress for a person who watches. */
  say(line: string): void;
}

/** Units are last in the names: `readings_per_s`, `agent_rss_mb`. */
export type Metrics = Record<string, number>;

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
