/** Fits an ordinary terminal, and a page of documentation. */
export const WIDTH_MAX = 100;
const GAP = '  ';
/** A column is not cut narrower than this. */
const COLUMN_MIN = 6;

/**
 * Rows under a heading, columns as wide as they need to be. When they do not fit, the widest is cut first.
 * @param rows each as long as `heading`
 */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [heading, ...rows];
  const widths = heading.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const total = () => widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1);
  while (total() > WIDTH_MAX) {
    const widest = widths.indexOf(Math.max(...widths));
    if (widths[widest]! <= COLUMN_MIN) break;
    widths[widest]! -= 1;
  }
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cut(oneLine(cell), widths[column]!).padEnd(widths[column]!))
      .join(GAP)
      .trimEnd();
  return `${all.map(line).join('\n')}\n`;
}

/** What comes from devices must not move the cursor. */
function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

/** `2026-11-21 03:12:06`, in the time zone of the terminal. */
export function clockTime(ms: number): string {
  const date = new Date(ms);
  const two = (n: number) => String(n).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `12 s ago`. */
export function age(ms: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - ms) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}
