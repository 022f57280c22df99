import { durationBetween } from '@weir/protocols';
import { z } from 'zod';

const UNITS: Record<string, number> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 };

/** A size as people write it, `64MiB`, or a number of bytes; bytes come out. */
export function bytes(min: number, max: number) {
  return z
    .union([z.int(), z.string()])
    .transform((value, context) => {
      if (typeof value === 'number') return value;
      const match = /^(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB)$/.exec(value.trim());
      if (match !== null) return Math.round(Number(match[1]) * UNITS[match[2]!]!);
      context.addIssue({ code: 'custom', message: `"${value}" is not a size such as 256KiB or 1GiB` });
      return z.NEVER;
    })
    .pipe(z.int().min(min).max(max));
}

/** A duration as people write it, `10s`, or milliseconds; milliseconds come out. */
export const duration = durationBetween;
