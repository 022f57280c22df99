/** Figures and tables for a person at a terminal. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join('  ')
      .trimEnd(),
  );
}

export function age(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 120) return `${s} s`;
  if (s < 7_200) return `${Math.round(s / 60)} min`;
  if (s < 172_800) return `${Math.round(s / 3_600)} h`;
  return `${Math.round(s / 86_400)} days`;
}

export function size(bytes: number): string {
  if (bytes < 10_240) return `${bytes} B`;
  if (bytes < 10_485_760) return `${Math.round(bytes / 1024)} KiB`;
  return `${Math.round(bytes / 1_048_576)} MiB`;
}
