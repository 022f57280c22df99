/** What one channel wants to be told, and when. With nothing set: everything, at once, up to a rate. */
import { durationSchema, SEVERITIES, weekTimesSchema } from '@weir/protocols';
import { z } from 'zod';
import { matchersSchema } from './matchers.ts';

/**
 * Messages in a window that slides, whatever they are; what is over goes into a digest. The default is as much as people bear, and
 * chat services take.
 */
export interface Rate {
  messages: number;
  perMs: number;
}
export const RATE_DEFAULT: Rate = { messages: 60, perMs: 60_000 };
/** One of them is kept free for the digest. */
const RATE_MESSAGES_MIN = 2;
/** So many times are kept for each channel. */
const RATE_MESSAGES_MAX = 1_000;
/** Alertmanager's. */
const WAIT_MS = 30_000;
const INTERVAL_MS = 300_000;
const DURATION_MS_MAX = 30 * 86_400_000;
const GROUP_BY_MAX = 20;

const rateSchema = z.string().transform((text, context): Rate => {
  const match = /^(\d{1,6})\s*\/\s*(\S+)$/.exec(text.trim());
  const perMs = match === null ? undefined : durationSchema.safeParse(match[2]).data;
  const messages = Number(match?.[1]);
  const isSound = perMs !== undefined && perMs > 0 && messages >= RATE_MESSAGES_MIN && messages <= RATE_MESSAGES_MAX;
  if (isSound) return { messages, perMs };
  const message = `"${text}" is no rate such as 60/1m: from ${RATE_MESSAGES_MIN} to ${RATE_MESSAGES_MAX} messages in a time`;
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

const duration = durationSchema.refine((ms) => ms <= DURATION_MS_MAX, 'at most 30 days');
const labelName = z.string().regex(/^(\.\.\.|[A-Za-z_][A-Za-z0-9_]{0,63})$/, 'a label, or ... for all of them');

/** As people write it: durations and matchers are texts. */
export const channelPolicySchema = z
  .strictObject({
    /** Only alerts that match any of these. */
    match: z.array(matchersSchema).min(1).max(20).optional(),
    minSeverity: z.enum(SEVERITIES).optional(),
    /** One message for all that have these labels in common; `[]`: for all; absent: none waits for another. */
    groupBy: z.array(labelName).max(GROUP_BY_MAX).optional(),
    /** Of a group: how long the first waits for others. */
    wait: duration.optional(),
    /** Of a group: the least time between two messages. */
    interval: duration.optional(),
    /** How often it is said that it is still firing; absent: never. */
    repeat: duration.refine((ms) => ms >= 60_000, 'at least 1m').optional(),
    rate: rateSchema.optional(),
    /**
     * What is below `critical` waits until they are over, and is told if it still fires then. With `digest` one message tells of all
     * that was, also of what is over.
     */
    quietHours: weekTimesSchema.extend({ digest: z.boolean().default(false) }).optional(),
    /** Whether it is told that something is over. */
    sendResolved: z.boolean().default(true),
  })
  .transform(({ wait = WAIT_MS, interval = INTERVAL_MS, rate = RATE_DEFAULT, ...policy }) => ({
    ...policy,
    ...{ wait, interval, rate },
  }));

export type ChannelPolicyInput = z.input<typeof channelPolicySchema>;
export type ChannelPolicy = z.output<typeof channelPolicySchema>;
