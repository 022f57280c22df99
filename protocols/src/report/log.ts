/** What functions have logged, told while somebody looks: for so long as the command `weir.logs` says. */
import { z } from 'zod';
import { NAME_PATTERN, TS_MAX } from '../reading.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;

/** Beyond it a line is cut. */
export const LOG_TEXT_CHARS_MAX = 2_000;
/** Of a report. */
export const LOG_LINES_MAX = 100;
/** Whoever still looks asks again. */
export const LOG_LEASE_MS_MAX = 10 * 60_000;

const ts = z.int().min(0).max(TS_MAX);
const functionName = z.string().regex(NAME_PATTERN);
const leaseId = z.string().min(1).max(64);

const lineSchema = z.object({
  function: functionName,
  /** Counts the lines of the function from 0 in each life of the agent: where one is missing it was left out. */
  n: z.int().min(0),
  level: z.enum(LOG_LEVELS),
  text: z.string().max(LOG_TEXT_CHARS_MAX),
  /** Event time. */
  ts,
});

export const logSchema = z.object({
  type: z.literal('log'),
  id: z.string().min(1).max(256),
  ts,
  /** When the agent was started. */
  run: ts,
  lines: z.array(lineSchema).max(LOG_LINES_MAX),
  /** With these lines, all that the agent had kept were told to whoever asked under this id. */
  lease: leaseId.exactOptional(),
});
export type LogReport = z.infer<typeof logSchema>;

/** Payload of the command `weir.logs`. It takes the place of the one before. */
export const logLeaseSchema = z.object({
  lease: leaseId,
  /** ms from now; 0: no longer. */
  for: z.int().min(0).max(LOG_LEASE_MS_MAX),
  /** Undefined: of all functions. */
  functions: z.array(functionName).max(100).exactOptional(),
  /** Whether to begin with the lines that the agent has kept. */
  kept: z.boolean(),
});
export type LogLease = z.infer<typeof logLeaseSchema>;
