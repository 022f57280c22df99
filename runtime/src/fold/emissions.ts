/**
 * What functions emit in one step, all of them together: as many series as one batch can have. A function that makes up
 * names has its own emissions left out, and says so; what others emit, and what sensors sent, goes on.
 */
import { type Columns, concatColumns, type Reading, SERIES_MAX } from '@weir/protocols';
import type { StepOutput } from './fold.ts';
import type { FunctionOutput } from './outputs.ts';

export class Emissions {
  #parts: Columns[] = [];
  /** Until they could be too many for that, nobody looks of which series they are. */
  #admitted: Reading[][] = [];
  #count = 0;
  #series: Set<string> | undefined;

  /** Takes out of what a function has made what there is no room for, and has it said. */
  admit(fold: string, made: FunctionOutput, { logs }: Pick<StepOutput, 'logs'>): void {
    const { emitted } = made;
    if (emitted.length === 0) return;
    this.#count += emitted.length;
    if (this.#count <= SERIES_MAX) {
      this.#admitted.push(emitted);
      return;
    }
    this.#series ??= new Set(this.#admitted.flat().map(nameOf));
    made.emitted = emitted.filter((reading) => this.#hasRoomFor(nameOf(reading), this.#series!));
    const leftOut = emitted.length - made.emitted.length;
    if (leftOut === 0) return;
    const text = `emit: functions emit more than ${SERIES_MAX} series in one step; ${leftOut} readings were left out`;
    logs.push({ fold, level: 'error', text, ts: emitted.at(-1)!.ts });
  }

  #hasRoomFor(name: string, series: Set<string>): boolean {
    if (series.has(name)) return true;
    if (series.size >= SERIES_MAX) return false;
    series.add(name);
    return true;
  }

  /** What was admitted of one pass through the functions. */
  add(columns: Columns): void {
    if (columns.index.length > 0) this.#parts.push(columns);
  }

  get columns(): Columns {
    return concatColumns(this.#parts);
  }
}

/** A series is another one in another kind, unit or quality. */
function nameOf({ sensor, metric, value, unit, quality }: Reading): string {
  return JSON.stringify([sensor, metric, typeof value, unit, quality]);
}
