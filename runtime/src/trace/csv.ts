/**
 * A trace in CSV (RFC 4180, without line breaks in cells). The header says which of two shapes it has:
 *
 *     ts,sensor,metric,value,unit          one reading a row; `sensor`, `metric`, `unit`, `quality` may be missing
 *     2013-12-02 21:15:00,oven1,temperature,73.9,Cel
 *
 *     timestamp,sensor,temperature,humidity     without `value`: every other column is a metric; an empty cell is no reading
 *     1700000000000,cold1,4.1,61
 */
import type { Reading } from '@weir/protocols';
import { checkReading, faultAt, type TraceOptions } from './fields.ts';

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const NO_NUMBER = /^[+-]?(?:nan|inf|infinity)$/i;
const FIELDS = ['ts', 'timestamp', 'sensor', 'metric', 'value', 'unit', 'quality'];

export function* readCsv(name: string, text: string, options: TraceOptions): Generator<Reading> {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const header = cellsOf(lines[0]!, name, 1).map((cell) => cell.trim());
  const known = header.map((cell) => cell.toLowerCase());
  const at = (field: string) => known.indexOf(field);
  const time = Math.max(at('ts'), at('timestamp'));
  if (time < 0) throw faultAt(name, 1, 'the first line must name a column ts or timestamp');
  const metrics = at('value') >= 0 ? [] : header.filter((_, column) => !FIELDS.includes(known[column]!));
  if (at('value') < 0 && metrics.length === 0)
    throw faultAt(name, 1, 'the first line must name a column value, or metrics');

  for (let line = 2; line <= lines.length; line++) {
    if (lines[line - 1]!.trim() === '') continue;
    const cells = cellsOf(lines[line - 1]!, name, line);
    if (cells.length !== header.length)
      throw faultAt(name, line, `${cells.length} cells, the header has ${header.length}`);
    const cell = (field: string) => cells[at(field)]?.trim() || undefined;
    const shared = {
      ts: cells[time]!.trim(),
      sensor: cell('sensor') ?? options.sensor,
      unit: cell('unit') ?? options.unit,
      quality: cell('quality'),
    };
    if (metrics.length === 0) {
      const metric = cell('metric') ?? options.metric;
      yield checkReading({ ...shared, metric, value: parseValue(cell('value'), name, line) }, name, line);
      continue;
    }
    for (const metric of metrics) {
      const value = cells[header.indexOf(metric)]!.trim();
      if (value !== '') yield checkReading({ ...shared, metric, value: parseValue(value, name, line) }, name, line);
    }
  }
}

function parseValue(cell: string | undefined, name: string, line: number): number | boolean | string | undefined {
  if (cell === undefined) return undefined;
  if (NUMBER.test(cell)) return Number(cell);
  if (NO_NUMBER.test(cell)) throw faultAt(name, line, `${cell} is no value`);
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
