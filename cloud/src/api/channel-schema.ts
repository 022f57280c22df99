/** Channels as the API tells of them. */
import { z } from 'zod';
import { KIND_NAMES } from '../notify/kinds/kinds.ts';
import { millis } from './schemas.ts';

export const channel = z.object({
  name: z.string(),
  kind: z.enum(KIND_NAMES),
  url: z.string().optional().describe('where it goes, without what may be a secret'),
  signed: z.boolean(),
  createdAt: millis,
  state: z.enum(['idle', 'ok', 'failing', 'disabled', 'damaged']),
  circuit: z.enum(['closed', 'open', 'half-open']),
  settings: z.record(z.string(), z.json()).describe('without what is secret'),
  secrets: z.array(z.string()).describe('names of the settings that are secret'),
  policy: z.looseObject({}).optional(),
  template: z.string().optional(),
  waiting: z.int(),
  delivered: z.int(),
  dropped: z.int().describe('given up for good'),
  deadLetters: z.int().describe('given up, and kept to be sent again'),
  lastDeliveredAt: millis.optional(),
  lastError: z.string().optional(),
  nextAttemptAt: millis.optional(),
});

export const channelPreview = z.object({
  status: z.enum(['firing', 'resolved']),
  parcels: z.array(z.record(z.string(), z.json())),
  fault: z.string().optional().describe('why the template is passed over'),
});

export const channelLetter = z.object({
  id: z.string().describe('the idempotency key of the message'),
  diedAt: millis,
  createdAt: millis,
  attempts: z.int(),
  reason: z.enum(['gone', 'given-up']),
  detail: z.string(),
  status: z.enum(['firing', 'resolved']),
  summary: z.string(),
  episodes: z.array(z.string()),
});
