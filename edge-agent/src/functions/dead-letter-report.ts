import { type DeadLetterReport, type Reading, readingsOf } from '@weir/protocols';
import type { DeadInput, DeadLetter } from '@weir/runtime';

/** Of the input, as JSON: with a stack of the largest size it fits into a report. */
const INPUT_BYTES_MAX = 24_576;
const MESSAGE_CHARS_MAX = 1_000;
const STACK_CHARS_MAX = 4_000;
const PLACE_CHARS_MAX = 500;

/** A letter as the hub is told of it: with as much of its input as there is room for. */
export function letterReport(letter: DeadLetter, replays: number): DeadLetterReport {
  const { id, fold, version, hash, at, kind, message, place, stack, input } = letter;
  return {
    type: 'dead-letter',
    id,
    ts: at,
    function: fold,
    version,
    hash,
    replays,
    fault: {
      kind,
      message: message.slice(0, MESSAGE_CHARS_MAX),
      ...(place !== undefined && { place: place.slice(0, PLACE_CHARS_MAX) }),
      stack: stack.slice(0, STACK_CHARS_MAX),
    },
    input: headOf(input),
  };
}

function headOf(input: DeadInput): DeadLetterReport['input'] {
  if (input.kind === 'event') {
    const value = JSON.stringify(input.value);
    const head = { kind: 'event', handler: input.handler, at: input.at } as const;
    return sizeOf(value) > INPUT_BYTES_MAX ? head : { ...head, value };
  }
  const readings: Reading[] = [];
  let bytes = 0;
  for (const reading of readingsOf(input.columns)) {
    bytes += sizeOf(reading) + 1;
    if (bytes > INPUT_BYTES_MAX) break;
    readings.push(reading);
  }
  return { kind: 'readings', count: input.columns.index.length, readings };
}

/** Bytes as a part of a report. */
function sizeOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
