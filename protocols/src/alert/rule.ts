import { z } from 'zod';
import { parseDuration } from '../duration.ts';
import { NAME_PATTERN } from '../reading.ts';
import { SEVERITIES } from './transition.ts';

/** A duration text, or milliseconds; either way milliseconds come out. */
export const durationSchema = z.union([z.int().min(0), z.string()]).transform((value, context) => {
  const ms = typeof value === 'number' ? value : parseDuration(value);
  if (ms !== undefined) return ms;
  context.addIssue({ code: 'custom', message: `"${value}" is not a duration such as 500ms, 10s, 15m, 2h or 7d` });
  return z.NEVER;
});

/** A name, in which `*` stands for any run of characters. */
export const globSchema = z.string().regex(/^[A-Za-z0-9*._:-]{1,64}$/, 'a name, in which * stands for any characters');

const range = z.tuple([z.number(), z.number()]).refine(([low, high]) => low < high, 'the lower level comes first');

/**
 * A threshold rule, version 1 of its form.
 *
 *     above 80, clear 75     begins at value > 80,  ends at value < 75
 *     below 2, clear 4       begins at value < 2,   ends at value > 4
 *     outside [2, 8],        begins at value < 2 or > 8,
 *       clear [3, 7]         ends when 3 <= value <= 7
 *
 * Without `clear` the episode ends as soon as the condition is false.
 */
export const ruleSchema = z
  .strictObject({
    name: z.string().regex(NAME_PATTERN),
    /** Defaults to the first 12 digits of the bundle's hash. */
    version: z.string().min(1).max(64).optional(),
    sensor: globSchema.default('*'),
    metric: globSchema,
    above: z.number().optional(),
    below: z.number().optional(),
    outside: range.optional(),
    clear: z.union([z.number(), range]).optional(),
    /** How long the condition must hold before it fires; milliseconds after parsing. */
    for: durationSchema.default(0),
    severity: z.enum(SEVERITIES).default('warning'),
    /** `{sensor}`, `{metric}`, `{value}`, `{level}`, `{device}` and `{unit}` are filled in. */
    summary: z.string().min(1).max(300).optional(),
  })
  .superRefine((rule, context) => {
    const given = [rule.above, rule.below, rule.outside].filter((level) => level !== undefined).length;
    const issue = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (given !== 1) issue('above', `exactly one of above, below, outside is needed, found ${given}`);
    if (rule.clear === undefined) return;
    if (rule.outside !== undefined) {
      if (typeof rule.clear === 'number') issue('clear', 'outside needs a clear range such as [3, 7]');
      else if (rule.clear[0] < rule.outside[0] || rule.clear[1] > rule.outside[1]) {
        issue('clear', 'the clear range must lie within the outside range');
      }
    } else if (typeof rule.clear !== 'number') issue('clear', 'above and below need a single clear level');
    else if (rule.above !== undefined && rule.clear > rule.above) issue('clear', 'must not be over the level `above`');
    else if (rule.below !== undefined && rule.clear < rule.below) issue('clear', 'must not be under the level `below`');
  });

/** As people write it. */
export type RuleInput = z.input<typeof ruleSchema>;
/** Checked, defaults filled in, durations in milliseconds. */
export type Rule = z.output<typeof ruleSchema>;
