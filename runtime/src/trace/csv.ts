/**
 * A trace in CSV (RFC 4180, without line breaks in cells). The header says which of two shapes it has:
 *
 *     ts,sensor,metric,value,unit          one reading a row; `sensor`, `metric`, `unit`, `quality` may be missing
 *     2013-12-02 21:15:00,oven1,temperature,73.9,Cel
 *
 *     timestamp,sensor,temperature,humidity     without `value`: every other column is a metric
 *     1700000000000,cold1,4.1,61
 *
 * An empty cell is no reading. Cells are separated by commas, and a number has a point: what a spreadsheet of another country
 * writes is refused, for `70,5` would be a text, and no level is compared with that.
 */
import { isName, type Reading } from '@weir/protocols';
import { checkReading, faultAt, type TraceOptions, type TraceRows } from './fields.ts';

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const NO_NUMBER = /^[+-]?(?:nan|inf|infinity)$/i;
/** `70,5`, `1.070,5`, `1 070,5`, `1,070.5`, `1 070` */
const OF_ELSEWHERE =
  /^[+-]?\d{1,3}(?:(?:[ .'\u00A0\u202F]\d{3})*,\d+|(?:,\d{3})+\.\d+|(?:[ '\u00A0\u202F]\d{3})+(?:\.\d+)?)$|^[+-]?\d+,\d+$/;
const TIMES = ['ts', 'timestamp', 'time', 'datetime'];
const FIELDS = ['sensor', 'metric', 'value', 'unit', 'quality'] as const;
type Field = (typeof FIELDS)[number];

interface Header {
  count: number;
  time: number;
  at: Record<Field, number>;
  metrics: { name: string; column: number }[];
}

export class CsvRows implements TraceRows {
  readonly #name: string;
  readonly #options: TraceOptions;
  #header: Header | undefined;

  constructor(name: string, options: TraceOptions) {
    this.#name = name;
    this.#options = options;
  }

  /** @throws {UsageError} `trace-invalid` */
  read(text: string, line: number): Reading[] {
    if (this.#header === undefined) {
      this.#header = headerOf(text, this.#name);
      return [];
    }
    if (text.trim() === '') return [];
    return this.#row(cellsOf(text, this.#name, line), this.#header, line);
  }

  #row(cells: readonly string[], { count, time, at, metrics }: Header, line: number): Reading[] {
    const name = this.#name;
    if (cells.length !== count) throw faultAt(name, line, `${cells.length} cells, the header has ${count}`);
    const cell = (field: Field) => cells[at[field]]?.trim() || undefined;
    const shared = {
      ts: cells[time]!.trim(),
      sensor: cell('sensor') ?? this.#options.sensor,
      unit: cell('unit') ?? this.#options.unit,
      quality: cell('quality'),
    };
    if (metrics.length === 0) {
      const value = cell('value');
      if (value === undefined) return [];
      const metric = cell('metric') ?? this.#options.metric;
      return [checkReading({ ...shared, metric, value: parseValue(value, name, line) }, name, line)];
    }
    const readings: Reading[] = [];
    for (const { name: metric, column } of metrics) {
      const value = cells[column]!.trim();
      if (value === '') continue;
      readings.push(checkReading({ ...shared, metric, value: parseValue(value, name, line) }, name, line));
    }
    return readings;
  }
}

function headerOf(text: string, name: string): Header {
  const refuse = (what: string, remedy?: string) => faultAt(name, 1, what, remedy);
  const cells = cellsOf(text, name, 1).map((cell) => cell.trim());
  const known = cells.map((cell) => cell.toLowerCase());
  const at = (field: string) => known.indexOf(field);
  const [time = -1] = TIMES.map(at).filter((column) => column >= 0);
  if (time < 0) throw noTime(text, cells, refuse);
  const twice = known.find((cell, column) => known.indexOf(cell) !== column);
  if (twice !== undefined) throw refuse(`the column ${JSON.stringify(twice)} is there twice`);
  const isField = (cell: string) => FIELDS.some((field) => field === cell);
  const others = cells.map((cell, column) => ({ name: cell, column }));
  const metrics = at('value') >= 0 ? [] : others.filter(({ column }) => column !== time && !isField(known[column]!));
  if (at('value') < 0 && metrics.length === 0) throw refuse('the first line must name a column value, or metrics');
  const odd = metrics.find((metric) => !isName(metric.name));
  if (odd !== undefined) {
    throw refuse(
      `${JSON.stringify(odd.name)} is no name of a metric: letters, digits and . _ : - are`,
      'Name the column as the metric is called, e.g. temperature; its unit is given with --unit.',
    );
  }
  const places = Object.fromEntries(FIELDS.map((field) => [field, at(field)])) as Header['at'];
  return { count: cells.length, time, at: places, metrics };
}

function noTime(text: string, cells: readonly string[], refuse: (what: string, remedy?: string) => Error): Error {
  const wanted = 'the first line must name a column ts or timestamp';
  const other = [';', '\t', '|'].find((separator) => text.includes(separator));
  if (cells.length === 1 && other !== undefined) {
    return refuse(
      `the cells are separated by ${other === '\t' ? 'tabs' : other}, and commas are wanted`,
      'Export it with commas between cells and a point in numbers.',
    );
  }
  if (text.trim() === '') return refuse(`${wanted}, and it is empty`, 'e.g. ts,temperature');
  if (/^\d/.test(text)) return refuse(`${wanted}, and it is a reading`, 'Put a line above it, e.g. ts,temperature');
  return refuse(`${wanted}, and it names ${cells.slice(0, 8).join(', ')}`);
}

function parseValue(cell: string, name: string, line: number): number | boolean | string {
  if (NUMBER.test(cell)) return Number(cell);
  if (NO_NUMBER.test(cell))
    throw faultAt(name, line, `${cell} is no value`, 'Leave the cell empty: that is no reading.');
  if (OF_ELSEWHERE.test(cell)) {
    throw faultAt(name, line, `${cell} is no number here`, 'A number has a point and no separators: 1070.5');
  }
  return /^(?:true|false)$/i.test(cell) ? cell.toLowerCase() === 'true' : cell;
}

function cellsOf(line: string, name: string, number: number): string[] {
  if (!line.includes('"')) return line.split(',');
  const cells: string[] = [];
  const cell = /\s*"((?:[^"]|"")*)"\s*(,|$)|([^",]*)(,|$)/y;
  for (;;) {
    const match = cell.exec(line);
    if (match === null) throw faultAt(name, number, 'a quote that is not closed, or stands within a cell');
    cells.push(match[1]?.replaceAll('""', '"') ?? match[3]!);
    if ((match[2] ?? match[4]) === '') return cells;
  }
}
