/** Durations as people write them: `500ms`, `10s`, `15m`, `2h`, `7d`, `1h30m`. */
const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const PATTERN = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/;
/** Whole numbers, the greater unit first. */
const TOGETHER = /^(?:(\d+)d)?\s*(?:(\d+)h)?\s*(?:(\d+)m)?\s*(?:(\d+)s)?\s*(?:(\d+)ms)?$/;

/** @returns milliseconds, or undefined when the text is no duration. */
export function parseDuration(text: string): number | undefined {
  const match = PATTERN.exec(text.trim());
  if (!match) return parseTogether(text.trim());
  const ms = Number(match[1]) * UNITS[match[2]!]!;
  // 1.001 * 1000 is 1000.9999999999999: what was written as a whole number of milliseconds counts as one.
  const whole = Math.round(ms);
  return Number.isSafeInteger(whole) && Math.abs(ms - whole) < 1e-6 ? whole : undefined;
}

function parseTogether(text: string): number | undefined {
  const match = TOGETHER.exec(text);
  if (match === null || text === '') return undefined;
  const [days = 0, hours = 0, minutes = 0, seconds = 0, rest = 0] = match.slice(1).map((part) => Number(part ?? 0));
  const ms = (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000 + rest;
  return Number.isSafeInteger(ms) ? ms : undefined;
}

/** The shortest exact form: 90000 is `90s`, 120000 is `2m`. */
export function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's']) {
    if (ms !== 0 && ms % UNITS[unit]! === 0) return `${ms / UNITS[unit]!}${unit}`;
  }
  return `${ms}ms`;
}
