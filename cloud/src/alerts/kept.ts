/** Which transitions of an episode are kept: a bounded number of bytes, the same ones in whatever order they came. */
import type { AlertTransition } from '@weir/protocols';

export interface Kept {
  /** In order of seq: the first, the first that fired, the end, and the latest. */
  transitions: AlertTransition[];
  /** Recorded seqs as ranges, both ends included, ascending. */
  seen: [number, number][];
  /** Those up to this one are not kept, but for the three. */
  trimmedTo?: number;
}

/** A fold that changes its severity with every reading must not make an item too large to store, … */
const LATEST_MAX = 47;
/** … nor one whose transitions have long texts, labels and causes. An item may have 400 KB; what operators wrote is in it, too. */
const LATEST_BYTES_MAX = 150_000;
/** Holes in the seqs are rare; past this many the oldest is forgotten. */
const RANGES_MAX = 100;

export function keep(before: Kept | undefined, fresh: AlertTransition): Kept {
  const all = [...(before?.transitions ?? []), fresh].sort((a, b) => a.seq - b.seq);
  const always = new Set([all[0], all.find(({ state }) => state === 'firing'), endOf(all)]);
  let trimmedTo = before?.trimmedTo ?? 0;
  const latest = all.filter((each) => !always.has(each) && each.seq > trimmedTo);
  let bytes = latest.reduce((sum, each) => sum + sizeOf(each), 0);
  while (latest.length > LATEST_MAX || bytes > LATEST_BYTES_MAX) {
    const gone = latest.shift()!;
    bytes -= sizeOf(gone);
    trimmedTo = gone.seq;
  }
  const kept = new Set(latest);
  return {
    transitions: all.filter((each) => always.has(each) || kept.has(each)),
    seen: withSeen(before?.seen ?? [], fresh.seq),
    ...(trimmedTo > 0 && { trimmedTo }),
  };
}

/** By which it is known how the episode stands: its end, else the latest. */
export function inSight(transitions: readonly AlertTransition[]): AlertTransition {
  return endOf(transitions) ?? transitions.at(-1)!;
}

export function endOf(transitions: readonly AlertTransition[]): AlertTransition | undefined {
  return transitions.findLast(({ state }) => state === 'resolved');
}

function sizeOf(transition: AlertTransition): number {
  return Buffer.byteLength(JSON.stringify(transition));
}

function withSeen(seen: Kept['seen'], seq: number): Kept['seen'] {
  const merged: Kept['seen'] = [];
  for (const [from, to] of [...seen, [seq, seq] as [number, number]].sort((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  if (merged.length > RANGES_MAX) merged.splice(0, 2, [merged[0]![0], merged[1]![1]]);
  return merged;
}
