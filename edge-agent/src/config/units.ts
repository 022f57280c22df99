import { durationBetween } from '@weir/protocols';
import { z } from 'zod';

const UNITS: Record<string, number> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
const PATTERN = /^(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB)$/;

/** @returns bytes, or undefined when the text is no size such as `64MiB`. */
export function parseBytes(text: string): number | undefined {
  const match = PATTERN.exec(text.trim());
  if (!match) return undefined;
  const bytes = Number(match[1]) * UNITS[match[2]!]!;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** A size as people write it, within bounds; a number of bytes comes out. */
export function bytes(min: number, max: number) {
  return z
    .union([z.int(), z.string()])
    .transform((value, context) => {
      const size = typeof value === 'number' ? value : parseBytes(value);
      if (size !== undefined) return size;
      context.addIssue({ code: 'custom', message: `"${value}" is not a size such as 256KiB or 64MiB` });
      return z.NEVER;
    })
    .pipe(z.int().min(min).max(max));
}

/** A duration as people write it, within bounds; milliseconds come out. */
export const duration = durationBetween;
