/**
 * Readings with the levels of a rule and its episodes, drawn in characters: fits a terminal, a page of documentation and
 * the log of a build alike. Colours only when they are asked for.
 *
 *      96 ┤        ▄▀▀▄                     what the readings were between, column by column
 *      80 ┤┈┈┈┈┈┈┈▄▀┈┈▀▄┈┈┈┈┈┈┈┈┈┈ 80      a level
 *      70 ┤▄▄▄▄▄▄▀     ▀▄▄▄▄
 *   alert │       ████████                  an episode, by its severity
 *         08:00      08:05       08:10
 */
import type { Severity } from '@weir/protocols';

/** What a series was between, for each of so many equal parts of a time. */
export class ChartBand {
  readonly from: number;
  readonly to: number;
  readonly low: Float64Array;
  readonly high: Float64Array;
  readonly #holdMs: number;
  #last: { ts: number; value: number } | undefined;

  /** @param holdMs for how long a reading is drawn on, until the next one comes */
  constructor(from: number, to: number, columns: number, holdMs = 0) {
    this.from = from;
    this.to = to;
    this.low = new Float64Array(columns).fill(Number.POSITIVE_INFINITY);
    this.high = new Float64Array(columns).fill(Number.NEGATIVE_INFINITY);
    this.#holdMs = holdMs;
  }

  get columns(): number {
    return this.low.length;
  }

  add(ts: number, value: number): void {
    const last = this.#last;
    if (last !== undefined && ts > last.ts) {
      const end = Math.min(this.columnOf(Math.min(ts, last.ts + this.#holdMs)), this.columnOf(ts) - 1);
      for (let column = Math.max(0, this.columnOf(last.ts)); column <= end; column++) this.#mark(column, last.value);
    }
    if (last === undefined || ts >= last.ts) this.#last = { ts, value };
    this.#mark(this.columnOf(ts), value);
  }

  /** Of a time: below 0 or beyond the last one when it is not in the picture. */
  columnOf(ts: number): number {
    const column = Math.floor(((ts - this.from) / Math.max(1, this.to - this.from)) * this.columns);
    return ts === this.to ? this.columns - 1 : column;
  }

  #mark(column: number, value: number): void {
    if (column < 0 || column >= this.columns) return;
    if (value < this.low[column]!) this.low[column] = value;
    if (value > this.high[column]!) this.high[column] = value;
  }
}

export interface ChartEpisode {
  from: number;
  /** Undefined: it goes on. */
  to: number | undefined;
  severity: Severity;
}

export interface Chart {
  band: ChartBand;
  levels: readonly number[];
  /** One lane each, under the picture. */
  lanes: readonly { name: string; episodes: readonly ChartEpisode[] }[];
  /** Words for moments, which are so many hours or minutes from `origin` on. */
  time(ts: number): string;
  origin?: number;
  rows?: number;
  colours?: boolean;
}

const ROWS = 8;
const MARGIN = 10;
const FILLS: Record<Severity, string> = { info: '░', warning: '▒', critical: '█' };
const COLOURS: Record<Severity, string> = { info: '36', warning: '33', critical: '31' };
const LEVEL_COLOUR = '2';

/** Columns of a picture that is to be no wider than so many characters. */
export function chartColumns(width: number): number {
  return Math.max(16, width - MARGIN - 2);
}

/** Lines, without what ends them. */
export function drawChart({ band, levels, lanes, rows = ROWS, colours = false, ...times }: Chart): string[] {
  const paint = (text: string, code: string) => (colours && text !== '' ? `\u001b[${code}m${text}\u001b[0m` : text);
  const lines = scaleOf(band, levels) === undefined ? [] : plotLines(band, levels, rows, paint);
  for (const { name, episodes } of lanes) lines.push(laneLine(band, name, episodes, paint));
  lines.push(timeLine(band, times));
  return lines;
}

type Paint = (text: string, code: string) => string;

function scaleOf(band: ChartBand, levels: readonly number[]): [number, number] | undefined {
  const lows = band.low.filter(Number.isFinite);
  if (lows.length === 0) return undefined;
  const highs = band.high.filter(Number.isFinite);
  // A level far from all readings must not make them a line.
  const [low, high] = [lows.reduce((a, b) => Math.min(a, b)), highs.reduce((a, b) => Math.max(a, b))];
  const reach = Math.max(high - low, Math.abs(high) * 0.05, 1e-9) * 3;
  const near = levels.filter((level) => level > low - reach && level < high + reach);
  const bounds: [number, number] = [Math.min(low, ...near), Math.max(high, ...near)];
  return bounds[0] === bounds[1] ? [bounds[0] - 1, bounds[1] + 1] : bounds;
}

/** Each character is two cells high. */
function plotLines(band: ChartBand, levels: readonly number[], rows: number, paint: Paint): string[] {
  const [low, high] = scaleOf(band, levels)!;
  const cells = rows * 2;
  const cellOf = (value: number) => Math.round(((value - low) / (high - low)) * (cells - 1));
  const levelRows = new Map<number, number>();
  for (const level of levels) {
    const row = Math.floor(cellOf(level) / 2);
    // Of two that are so near to one another the first: what begins an episode stands before what ends it.
    if (level >= low && level <= high && !levelRows.has(row)) levelRows.set(row, level);
  }
  const lines: string[] = [];
  for (let row = rows - 1; row >= 0; row--) {
    const level = levelRows.get(row);
    let line = '';
    for (let column = 0; column < band.columns; column++) {
      const isThere = Number.isFinite(band.low[column]!);
      const [from, to] = isThere ? [cellOf(band.low[column]!), cellOf(band.high[column]!)] : [0, -1];
      const lower = from <= row * 2 && to >= row * 2;
      const upper = from <= row * 2 + 1 && to >= row * 2 + 1;
      if (lower && upper) line += '█';
      else if (lower || upper) line += lower ? '▄' : '▀';
      else line += level === undefined ? ' ' : '┈';
    }
    const label = level ?? (row === rows - 1 ? high : row === 0 ? low : undefined);
    const margin = label === undefined ? '' : shortNumber(label);
    const mark = level === undefined ? '│' : '┤';
    lines.push(
      `${margin.padStart(MARGIN - 1)} ${mark}${level === undefined ? line : paint(line, LEVEL_COLOUR)}`.trimEnd(),
    );
  }
  return lines;
}

function laneLine(band: ChartBand, name: string, episodes: readonly ChartEpisode[], paint: Paint): string {
  const lane: (Severity | undefined)[] = Array.from({ length: band.columns });
  for (const { from, to, severity } of episodes) {
    const last = Math.min(
      band.columns - 1,
      to === undefined ? band.columns - 1 : Math.max(band.columnOf(from), band.columnOf(to) - 1),
    );
    for (let column = Math.max(0, band.columnOf(from)); column <= last; column++) lane[column] = severity;
  }
  let line = '';
  for (let at = 0; at < lane.length; ) {
    const severity = lane[at];
    let end = at;
    while (end < lane.length && lane[end] === severity) end++;
    const run = (severity === undefined ? ' ' : FILLS[severity]).repeat(end - at);
    line += severity === undefined ? run : paint(run, COLOURS[severity]);
    at = end;
  }
  return `${name.slice(0, MARGIN - 1).padStart(MARGIN - 1)} │${line}`.trimEnd();
}

const STEPS_MS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000],
  ...[1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720].map((minutes) => minutes * 60_000),
  ...[1, 2, 7, 14, 28, 91, 182, 364].map((days) => days * 86_400_000),
];

/** Round moments, as many as have room. */
function timeLine(band: ChartBand, { origin = 0, time }: Pick<Chart, 'origin' | 'time'>): string {
  const perColumn = (band.to - band.from) / band.columns;
  const widthOf = (step: number) => Math.max(time(origin + step).length, time(band.to).length) + 3;
  const year = 364 * 86_400_000;
  const step = STEPS_MS.find((each) => each / perColumn >= widthOf(each)) ?? Math.ceil((20 * perColumn) / year) * year;
  let line = ' '.repeat(MARGIN);
  for (let at = origin + Math.ceil((band.from - origin) / step) * step; at <= band.to; at += step) {
    const column = Math.max(0, band.columnOf(at));
    if (column + time(at).length > band.columns + 2 && line.trim() !== '') break;
    line = `${line.padEnd(MARGIN + 1 + column)}${time(at)}`;
  }
  return line.trim() === '' ? `${line} ${time(band.from)}` : line;
}

function shortNumber(value: number): string {
  const digits = Math.abs(value) >= 1e6 || (value !== 0 && Math.abs(value) < 1e-3) ? 3 : 5;
  const text = String(Number(value.toPrecision(digits)));
  return text.length < MARGIN ? text : value.toExponential(2);
}
