/**
 * Items that a device gave up before the hub had them. Each is in one report, so whoever adds the counts up has what was lost.
 *
 *     numbers   100 101 102 103 104 105 106      seq 101, through 106, count 3: three of 101 … 105
 *     given up       x       x   x
 */
import { z } from 'zod';
import { EPOCH_PATTERN } from '../epoch.ts';
import { TS_MAX } from '../reading.ts';
import { LANES } from '../topics.ts';

/**
 * Why items were given up; a closed list, also metric labels. `bytes`, `rows`, `age`: the oldest of a lane over its
 * limit; `newest`: what came last, where a lane keeps the older; `downsampled`: thinned out to make room; `damaged`: they
 * could not be read any more; `size`: one that no batch holds; `disk`: it was full.
 */
export const GAP_REASONS = ['bytes', 'rows', 'age', 'newest', 'downsampled', 'damaged', 'size', 'disk'] as const;
export type GapReason = (typeof GAP_REASONS)[number];

const ts = z.int().min(0).max(TS_MAX);
const number = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

export const gapSchema = z
  .object({
    type: z.literal('gap'),
    id: z.string().min(1).max(256),
    /** When the last of them was given up. */
    ts,
    lane: z.enum(LANES),
    epoch: z.string().regex(EPOCH_PATTERN),
    /** Number of the first of them. */
    seq: number,
    /** One more than the number of the last. */
    through: number,
    /** How many of these numbers. */
    count: z.int().min(1).max(Number.MAX_SAFE_INTEGER),
    reason: z.enum(GAP_REASONS),
    /** Event time of the earliest of them, where they are readings and it is known … */
    from: ts.exactOptional(),
    /** … and of the latest. */
    to: ts.exactOptional(),
  })
  .refine(({ seq, through, count }) => count <= through - seq, 'more items than numbers')
  .refine(({ from, to }) => from === undefined || to === undefined || from <= to, 'a time that ends before it begins');
export type GapReport = z.infer<typeof gapSchema>;
