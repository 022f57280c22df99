/**
 * What an agent says about itself and its functions, in the lane `report`: each one JSON object, told from others by
 * its `type`. A new type is one more schema in {@link reportSchema}, and a row in `protocols/README.md`.
 *
 * A device may be newer than its hub, so a type that is not known here is no fault of the batch: it is left out by
 * itself, and counted.
 */
import { z } from 'zod';
import { COMMAND_OUTCOMES, commandIdSchema } from '../command/command.ts';
import { nestsDeeper } from '../nesting.ts';
import { byteLength, NAME_PATTERN, TS_MAX } from '../reading.ts';
import { deadLetterGoneSchema, deadLetterKeptSchema, deadLetterSchema } from './dead-letter.ts';
import { gapSchema } from './gap.ts';
import { logSchema } from './log.ts';

/** Of one report as JSON in UTF-8: two of them and the head of a batch fit into what AWS IoT Core takes. */
export const REPORT_BYTES_MAX = 65_536;
/** What deeper levels mean no person would read; a schema is checked by recursion. */
export const REPORT_DEPTH_MAX = 16;
/** Bounds what is kept aside of one batch. */
export const REPORTS_PER_BATCH_MAX = 1024;

const ts = z.int().min(0).max(TS_MAX);

export const commandDoneSchema = z.object({
  type: z.literal('command-done'),
  /** That of the command. */
  id: commandIdSchema,
  ts,
  outcome: z.enum(COMMAND_OUTCOMES),
  /** Why it is not done, for a person. */
  detail: z.string().max(500).optional(),
});

/** More than any device counts between two reports; a sum of many of them is still exact. */
const USAGE_COUNT_MAX = 1e12;

const count = z.int().min(0).max(USAGE_COUNT_MAX);

const usageSchema = z.object({
  type: z.literal('usage'),
  id: z.string().min(1).max(256),
  /** When it was told; of a day that is over, when it was used last. */
  ts,
  /** Since when it was used: it is what came on top of the report before, no more. */
  from: ts,
  function: z.string().regex(NAME_PATTERN),
  version: z.string().min(1).max(64),
  /** Limit of the function. */
  memoryMb: z.int().min(1).max(1_048_576),
  invocations: count,
  readings: count,
  cpuMs: z.number().min(0).max(USAGE_COUNT_MAX),
  heapBytesMax: count,
  errors: count,
  outputs: count,
});
export type UsageReport = z.infer<typeof usageSchema>;

export const reportSchema = z.discriminatedUnion('type', [
  commandDoneSchema,
  usageSchema,
  deadLetterSchema,
  deadLetterGoneSchema,
  deadLetterKeptSchema,
  logSchema,
  gapSchema,
]);
export type Report = z.infer<typeof reportSchema>;
export type ReportType = Report['type'];

export const REPORT_TYPES: readonly ReportType[] = reportSchema.options.map(({ shape }) => shape.type.value);

/** As on the wire. */
export function encodeReport(report: Report): string {
  return JSON.stringify(report);
}

/** Why an item of a batch is left out; a closed list, also metric labels. */
export type ReportFault = 'value' | 'unknown-type';

export type ParsedReport = { report: Report } | { reason: ReportFault; detail: string };

/** @param text as on the wire, or whatever else came in its place */
export function parseReport(text: unknown): ParsedReport {
  if (typeof text !== 'string') return { reason: 'value', detail: 'a report is a text of JSON' };
  const bytes = byteLength(text);
  if (bytes > REPORT_BYTES_MAX) return { reason: 'value', detail: `${bytes} bytes, over ${REPORT_BYTES_MAX}` };
  if (nestsDeeper(text, REPORT_DEPTH_MAX)) {
    return { reason: 'value', detail: `JSON nested deeper than ${REPORT_DEPTH_MAX}` };
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { reason: 'value', detail: `no JSON: ${(error as Error).message.slice(0, 100)}` };
  }
  const parsed = reportSchema.safeParse(value);
  if (parsed.success) return { report: parsed.data };
  const type = (value as { type?: unknown } | null)?.type;
  if (typeof type === 'string' && !(REPORT_TYPES as readonly string[]).includes(type)) {
    return { reason: 'unknown-type', detail: `a report of type ${JSON.stringify(type.slice(0, 64))}` };
  }
  const issue = parsed.error.issues[0]!;
  return { reason: 'value', detail: `${issue.path.join('.') || 'report'}: ${issue.message}` };
}
