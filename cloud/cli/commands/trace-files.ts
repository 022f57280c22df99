/** Files that commands read recorded traces from, and compare what came of them with. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import type { Reading } from '@weir/protocols';
import { Failure, Misuse } from '../failure.ts';
import type { Session } from '../session.ts';

export interface TraceSeriesOptions {
  sensor?: string;
  metric?: string;
  unit?: string;
}

export async function readTraceFile(file: string, { sensor, metric, unit }: TraceSeriesOptions): Promise<Reading[]> {
  const { readTrace, TRACE_BYTES_MAX } = await import('@weir/runtime');
  let bytes: Uint8Array;
  try {
    const { size } = statSync(file);
    if (size > TRACE_BYTES_MAX) throw new Error(`it has ${size} bytes, over ${TRACE_BYTES_MAX}`);
    bytes = readFileSync(file);
  } catch (error) {
    throw new Misuse(`${file} cannot be read: ${(error as Error).message}`);
  }
  return readTrace(file, bytes, { sensor, metric, unit });
}

/** @param now what the golden file should hold @throws {Failure} when it holds something else, and is not written */
export async function compareWith(session: Session, now: string, file: string, update: boolean): Promise<void> {
  const { compareGolden } = await import('@weir/runtime');
  let golden: string | undefined;
  try {
    golden = readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') throw new Misuse(`${file} cannot be read: ${message}`);
    if (!update) throw new Misuse(`${file} is not there`, 'make it by adding --update, then look at it');
  }
  const difference = golden === undefined ? undefined : compareGolden(golden, now);
  if (golden !== undefined && difference === undefined) return session.note(`${file}: as it should be\n`);
  if (update) {
    writeFileSync(file, now);
    return session.note(`${file}: written\n`);
  }
  session.note(`${file} differs\n${difference}`);
  throw new Failure('the outcome is not that of the golden file', 'if it is right now, add --update');
}
