/** Hands readings to a publisher when their time has come. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Reading } from '@weir/protocols';
import type { Publisher } from './publisher.ts';
import type { Due } from './trace-player.ts';

export async function feed(
  due: AsyncIterable<Due> | Iterable<Due>,
  publisher: Publisher,
  signal: AbortSignal,
): Promise<void> {
  for await (const { reading, dueTs } of due) {
    const earlyMs = dueTs - Date.now();
    if (earlyMs > 0) await wait(earlyMs, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    await publisher.publish(reading);
  }
}

/** Live readings are due at their own time; `endTs` ends the stream. */
export function* dueAtTheirTime(readings: Iterable<Reading>, endTs = Number.POSITIVE_INFINITY): Generator<Due> {
  for (const reading of readings) {
    if (reading.ts >= endTs) return;
    yield { reading, dueTs: reading.ts };
  }
}
