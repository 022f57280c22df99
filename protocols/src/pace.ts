/** What a hub says of how much of its backlog a device is to send. Beside the lanes, and of no effect for what is fresh. */
import { z } from 'zod';

/** A hub that says nothing more must not stop a device for long. */
export const BACKLOG_WAIT_MS_MAX = 60_000;

export const paceSchema = z.object({
  /** For so long nothing more of the backlog is to be sent, unless this is said again; 0: it goes on. */
  backlogWaitMs: z.int().min(0).max(BACKLOG_WAIT_MS_MAX),
  /** Readings of the backlog to be sent together, for the next few seconds; absent: as many as the line takes. */
  backlogItems: z.int().min(1).optional(),
});
export type BacklogPace = z.infer<typeof paceSchema>;

/** @returns undefined for what is no such message */
export function parsePace(payload: Uint8Array): BacklogPace | undefined {
  try {
    const parsed = paceSchema.safeParse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload)));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
