/** What an isolate answers to a step: checked like anything else from outside. */
import { z } from 'zod';
import type { Places } from '../bundle/places.ts';
import type { KeptState } from '../sandbox/protocol.ts';
import type { LogLine } from './fold.ts';

const pairs = z.array(z.tuple([z.string(), z.number()]));

const keptStateSchema = z.object({
  text: z.string(),
  started: z.string().exactOptional(),
  timers: pairs.exactOptional(),
  ran: pairs.exactOptional(),
}) satisfies z.ZodType<KeptState>;

const answerSchema = z.object({
  failed: z.boolean().optional(),
  /** Those that changed. */
  states: z.array(z.tuple([z.string(), keptStateSchema])).default([]),
  // Checked one by one, by kind: up to ten thousand pass here in a step.
  outputs: z.custom<unknown[]>(Array.isArray).default([]),
  logs: z
    .array(z.object({ level: z.enum(['debug', 'info', 'warn', 'error']), text: z.string(), ts: z.number() }))
    .default([]),
  logsDropped: z.number().default(0),
  faults: z.array(z.object({ at: z.number(), message: z.string(), stack: z.string() })).default([]),
  /** Readings that were left out, by their place in the input. */
  left: z.array(z.int().min(0)).default([]),
  /** When the next timer is due, event time in ms. */
  next: z.number().optional(),
});
export type Answer = z.infer<typeof answerSchema>;

/** It does not have the state of that revision. */
export const NEEDS_STATE = '{"need":"state"}';

/** @returns undefined for what is no answer */
export function parseAnswer(text: string): Answer | undefined {
  try {
    return answerSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** @param fold whose lines they are */
export function tellLogs(answer: Answer, fold: string, places: Places, { logs }: { logs: LogLine[] }): void {
  for (const { level, text, ts } of answer.logs) logs.push({ fold, level, text: places.stack(text), ts });
  if (answer.logsDropped === 0) return;
  const text = `${answer.logsDropped} more log lines in one step were dropped`;
  logs.push({ fold, level: 'warn', text, ts: answer.logs.at(-1)?.ts ?? 0 });
}
