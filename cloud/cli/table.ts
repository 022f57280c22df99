/** Fits an ordinary terminal, and a page of documentation. */
export const WIDTH_MAX = 100;
const GAP = '  ';
/** A text shorter than this says nothing. */
const TEXT_MIN = 16;

/**
 * Rows under a heading, columns as wide as they need to be. When they do not fit, the texts are cut first, and only
 * then whatever is widest: an id that is cut cannot be copied.
 *
 * @param rows each as long as `heading`
 * @param texts columns that read well also when they are cut, the first to be cut first; else the last one
 * @param widthMax of a line; infinite where nothing may be cut
 */
export function table(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  texts: readonly number[] = [heading.length - 1],
  widthMax = WIDTH_MAX,
): string {
  const all = [heading, ...rows];
  const widths = heading.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const total = () => widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1);
  for (const text of texts) {
    const over = total() - widthMax;
    if (over > 0) widths[text] = Math.min(widths[text]!, Math.max(TEXT_MIN, widths[text]! - over));
  }
  while (total() > widthMax) {
    const widest = widths.indexOf(Math.max(...widths));
    widths[widest]! -= 1;
  }
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cut(plain(cell), widths[column]!).padEnd(widths[column]!))
      .join(GAP)
      .trimEnd();
  return `${all.map(line).join('\n')}\n`;
}

/** What comes from devices must not move the cursor. */
export function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

/** Cents, and of less than some cents what there is of them. */
export function dollars(usd: number): string {
  if (usd === 0 || usd >= 0.1) return `$${usd.toFixed(2)}`;
  return usd < 0.000001 ? '<$0.000001' : `$${usd.toFixed(6)}`;
}

/** `2026-11-21 03:12:06`, in the time zone of the terminal. */
export function clockTime(ms: number): string {
  const date = new Date(ms);
  const two = (n: number) => String(n).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `12 s ago`, or `3 h ahead`: of a clock that is wrong. */
export function age(ms: number, now: number): string {
  const seconds = Math.round((now - ms) / 1000);
  return seconds < 0 ? `${lasting(-seconds)} ahead` : `${lasting(seconds)} ago`;
}

export function lasting(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}
