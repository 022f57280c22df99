/** What may stand in a file of table tests. */
import { ALERT_REASONS, ALERT_STATES, isDeviceId, NAME_PATTERN, SEVERITIES } from '@weir/protocols';
import { z } from 'zod';

const time = z.union([z.string(), z.literal(0)]);
const name = z.string().regex(NAME_PATTERN);
const value = z.union([z.number(), z.boolean(), z.string().max(256)]);
const settings = {
  tags: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
  config: z.record(z.string(), z.json()).optional(),
};
const frame = {
  ...settings,
  interval: time.optional(),
  start: z.string().optional(),
  device: z.string().refine(isDeviceId, 'no name of a device').optional(),
  sensor: name.optional(),
};
const event = z.strictObject({
  at: time,
  ...settings,
  readings: z
    .record(z.string(), z.union([value, z.strictObject({ value, quality: z.string().optional() })]))
    .optional(),
  of: time.optional(),
  restart: z.union([z.literal(true), time]).optional(),
  offline: z.union([z.literal(true), z.string()]).optional(),
  online: z.union([z.literal(true), z.string()]).optional(),
});
const transition = z.strictObject({
  at: time,
  state: z.enum(ALERT_STATES),
  severity: z.enum(SEVERITIES).optional(),
  reason: z.enum(ALERT_REASONS).optional(),
  value: value.optional(),
  peak: z.number().optional(),
  level: z.number().optional(),
  device: z.string().optional(),
  sensor: z.string().optional(),
  metric: z.string().optional(),
  since: time.optional(),
  historical: z.boolean().optional(),
  count: z.int().optional(),
  summary: z.string().optional(),
});
const severities = z.union([z.enum(SEVERITIES).transform((one) => [one]), z.array(z.enum(SEVERITIES)).min(1)]);
const episode = z.strictObject({
  from: time,
  to: time.optional(),
  severity: severities.optional(),
  peak: z.number().optional(),
  device: z.string().optional(),
  sensor: z.string().optional(),
  metric: z.string().optional(),
  historical: z.boolean().optional(),
});
const single = z.strictObject({
  name: z.string().min(1).max(200),
  ...frame,
  input: z.record(z.string(), z.union([z.string(), value])).optional(),
  events: z.union([z.string(), z.array(event)]).optional(),
  until: time.optional(),
  expect: z.array(z.union([z.string(), transition])).optional(),
  episodes: z.array(z.union([z.string(), episode])).optional(),
});
export const caseFileSchema = z.strictObject({ rule: z.string().optional(), ...frame, tests: z.array(single).min(1) });

export type WrittenFrame = Pick<
  z.output<typeof single>,
  'tags' | 'config' | 'interval' | 'start' | 'device' | 'sensor'
>;
export type WrittenEvent = z.output<typeof event>;
export type WrittenTransition = z.output<typeof transition>;
export type WrittenWantedEpisode = z.output<typeof episode>;

export type WrittenCase = z.output<typeof single>;

/** To a place in the file. */
export type Path = readonly (string | number)[];

/** Says what is wrong with the line on which it stands. */
export interface Reader {
  check<T>(path: Path, read: () => T): T;
  lineOf(path: Path): number;
  path: Path;
}

export function texts(tags: Record<string, string | number> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).map(([tag, text]) => [tag, String(text)]));
}
