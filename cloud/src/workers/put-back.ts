/**
 * Readings of a device that goes on from an old copy of its disk, under numbers that others of its readings have: a backlog
 * that it thinned out is numbered anew, and what the copy holds is numbered as before. @see ../gaps/generations.ts
 *
 * They are kept as items of a run of their own, by the name of the run and the generation they are of.
 */
import { createHash } from 'node:crypto';
import { type Batch, type BatchHead, formatEpoch, parseEpoch } from '@weir/protocols';
import type { DeviceItems } from '../gaps/device-items.ts';
import type { Range } from '../gaps/ranges.ts';

export type ReadingsBatch = Batch & { kind: 'readings' };

/** @see EPOCH_PATTERN */
const RUN_CHARS_MAX = 32;

/** Positions in a batch, from (inclusive) to (exclusive), and under which head they are kept. */
export interface Piece {
  head: BatchHead;
  part: Range;
}

/** All of a batch, in order: nearly always one piece. */
export async function piecesOf(items: DeviceItems, lane: string, batch: ReadingsBatch): Promise<Piece[]> {
  const others = await items.takenOtherwise(lane, batch);
  if (others.length === 0) return [{ head: batch, part: [0, batch.count] }];
  const own = { ...batch, epoch: ownEpoch(batch), generation: undefined };
  const pieces: Piece[] = [];
  let at = 0;
  for (const [from, to] of others) {
    const [start, end] = [from - batch.seq, to - batch.seq];
    if (start > at) pieces.push({ head: batch, part: [at, start] });
    pieces.push({ head: own, part: [start, end] });
    at = end;
  }
  if (at < batch.count) pieces.push({ head: batch, part: [at, batch.count] });
  return pieces;
}

function ownEpoch({ epoch, generation = '0' }: BatchHead): string {
  const { life, run } = parseEpoch(epoch);
  const word = `${run}_${generation}`;
  return formatEpoch({ life, run: word.length <= RUN_CHARS_MAX ? word : digestOf(word) });
}

function digestOf(word: string): string {
  return createHash('sha256').update(word).digest('base64url').slice(0, RUN_CHARS_MAX);
}
